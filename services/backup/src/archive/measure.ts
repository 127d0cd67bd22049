import { createHash } from "node:crypto";
import { Transform } from "node:stream";

/** Length and SHA-256, lower-case hex, of the bytes that passed. */
export interface Measured {
  bytes: number;
  sha256: string;
}

/** Lets bytes pass and measures them. */
export class Measure extends Transform {
  readonly #hash = createHash("sha256");
  readonly #onEnd: (() => void) | undefined;
  #bytes = 0;
  #result: Measured | null = null;

  constructor(onEnd?: () => void) {
    super();
    this.#onEnd = onEnd;
  }

  override _transform(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (e?: Error | null, c?: Buffer) => void,
  ) {
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
    done(null, chunk);
  }

  override _flush(done: (error?: Error | null) => void): void {
    try {
      this.#onEnd?.();
      done();
    } catch (error) {
      done(error as Error);
    }
  }

  result(): Measured {
    this.#result ??= { bytes: this.#bytes, sha256: this.#hash.digest("hex") };
    return this.#result;
  }
}
