const SIGNATURE = Buffer.from("PGCOPY\n\xff\r\n\0", "latin1");
const HEADER_BYTES = SIGNATURE.length + 8;
const END_OF_ROWS = -1;
const NULL_FIELD = -1;

/**
 * Counts the rows of a COPY in binary format as its bytes pass, and checks that it is whole
 * (https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format"). Holds no field: lengths are read, contents
 * skipped. `finish` throws RangeError when the bytes are no such COPY or end early.
 */
export class CopyRowCounter {
  #held = Buffer.alloc(0);
  #skip = 0;
  #fieldsLeft = 0;
  #headerSeen = false;
  #ended = false;
  rows = 0;

  push(chunk: Buffer): void {
    let at = Math.min(this.#skip, chunk.length);
    this.#skip -= at;
    if (this.#skip > 0) return;
    const data = this.#held.length > 0 ? Buffer.concat([this.#held, chunk.subarray(at)]) : chunk.subarray(at);
    at = 0;
    for (;;) {
      const used = this.#step(data, at);
      if (used === 0) break;
      at += used;
      if (at > data.length) {
        this.#skip = at - data.length;
        at = data.length;
        break;
      }
    }
    this.#held = Buffer.from(data.subarray(at));
  }

  finish(): number {
    if (!this.#ended || this.#held.length > 0 || this.#skip > 0)
      throw new RangeError("the COPY is not whole");
    return this.rows;
  }

  /** Consumes the next element; 0 when there is not enough of it yet. May point past the data: a field's content. */
  #step(data: Buffer, at: number): number {
    const left = data.length - at;
    if (!this.#headerSeen) return left < HEADER_BYTES ? 0 : this.#header(data, at);
    if (this.#ended) {
      if (left > 0) throw new RangeError("something follows the COPY's end");
      return 0;
    }
    return this.#fieldsLeft === 0 ? this.#row(data, at, left) : this.#field(data, at, left);
  }

  #header(data: Buffer, at: number): number {
    if (!data.subarray(at, at + SIGNATURE.length).equals(SIGNATURE))
      throw new RangeError("not a binary COPY");
    this.#headerSeen = true;
    return HEADER_BYTES + data.readUInt32BE(at + SIGNATURE.length + 4);
  }

  #row(data: Buffer, at: number, left: number): number {
    if (left < 2) return 0;
    const fields = data.readInt16BE(at);
    if (fields === END_OF_ROWS) this.#ended = true;
    else {
      this.rows += 1;
      this.#fieldsLeft = fields;
    }
    return 2;
  }

  #field(data: Buffer, at: number, left: number): number {
    if (left < 4) return 0;
    const length = data.readInt32BE(at);
    if (length < NULL_FIELD) throw new RangeError("a field of negative length");
    this.#fieldsLeft -= 1;
    return 4 + Math.max(0, length);
  }
}
