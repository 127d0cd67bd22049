import { createHash } from "node:crypto";
import { Transform } from "node:stream";

/** Length and SHA-256, lower-case hex, of the bytes that passed. */
export interface Measured {
  bytes: number;
  sha256: string;
}

interface Listeners {
  readonly onBytes?: ((bytes: number) => void) | undefined;
  readonly onEnd?: () => void;
}

/** Lets bytes pass and measures them. */
export class Measure extends Transform {
  readonly #hash = createHash("sha256");
  readonly #listeners: Listeners;
  #bytes = 0;
  #result: Measured | null = null;

  constructor(listeners: Listeners = {}) {
    super();
    this.#listeners = listeners;
  }

  override _transform(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (e?: Error | null, c?: Buffer) => void,
  ) {
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
    this.#listeners.onBytes?.(chunk.length);
    done(null, chunk);
  }

  override _flush(done: (error?: Error | null) => void): void {
    try {
      this.#listeners.onEnd?.();
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
