/** Cuts input into blocks of one size; holds less than one block, copies only what straddles. */
export class Blocks {
  readonly #held: Buffer;
  #heldBytes = 0;

  constructor(blockBytes: number) {
    this.#held = Buffer.alloc(blockBytes);
  }

  /** Yields every full block. A block is a view that is good until the next one is asked for. */
  *push(data: Buffer): Generator<Buffer> {
    const size = this.#held.length;
    let at = 0;
    if (this.#heldBytes > 0) {
      at = data.copy(this.#held, this.#heldBytes);
      this.#heldBytes += at;
      if (this.#heldBytes < size) return;
      this.#heldBytes = 0;
      yield this.#held;
    }
    while (data.length - at >= size) {
      yield data.subarray(at, at + size);
      at += size;
    }
    this.#heldBytes = data.copy(this.#held, 0, at);
  }

  /** What is left, shorter than a block; a view. */
  rest(): Buffer {
    return this.#held.subarray(0, this.#heldBytes);
  }

  wipe(): void {
    this.#held.fill(0);
    this.#heldBytes = 0;
  }
}
