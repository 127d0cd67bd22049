import { randomBytes } from "node:crypto";
import { Transform, type TransformCallback } from "node:stream";
import { TAG_BYTES } from "./aead.ts";
import { Blocks } from "./blocks.ts";
import {
  CHUNK_BYTES,
  deriveMessageKeys,
  HEADER_BYTES,
  type MessageKeys,
  openChunk,
  openHeader,
  SALT_BYTES,
  SEALED_CHUNK_BYTES,
  sealChunk,
} from "./chunked-format.ts";
import { ChunkedTruncated, KeyInvalid } from "./errors.ts";

/**
 * Encrypts its input under a 32-byte uniformly random key and a context. Holds less than one chunk,
 * 16 KiB. Throws KeyInvalid at once; the stream fails with ChunkedTooLong past 4 PiB.
 */
export function createSealStream(key: Buffer, context: Buffer): Transform {
  return createSealStreamWithSaltUnsafe(key, context, randomBytes(SALT_BYTES));
}

/** As createSealStream, with a salt that the caller answers for: for published vectors only. */
export function createSealStreamWithSaltUnsafe(key: Buffer, context: Buffer, salt: Buffer): Transform {
  return new SealStream(deriveMessageKeys(key, salt, context), salt);
}

/**
 * Decrypts its input. Each chunk is authenticated before it is passed on, but only the end of the
 * stream shows that the message is whole: keep nothing of a failed one. Throws KeyInvalid at once;
 * it fails with ChunkedCommitmentMismatch (other key or context), ChunkForged, ChunkedTruncated.
 */
export function createOpenStream(key: Buffer, context: Buffer): Transform {
  if (key.length !== 32) throw new KeyInvalid();
  return new OpenStream(Buffer.from(key), context);
}

/**
 * Yields chunks and tags as node:crypto made them (joining would copy: a third of the time), and as
 * objects, since a stream of bytes joins what waits in it for a reader by `for await`.
 */
const BUFFERING = {
  writableHighWaterMark: 262_144,
  readableObjectMode: true,
  readableHighWaterMark: 32,
} as const;

class SealStream extends Transform {
  readonly #keys: MessageKeys;
  readonly #blocks = new Blocks(CHUNK_BYTES);
  #header: Buffer | null;
  #index = 0;

  constructor(keys: MessageKeys, salt: Buffer) {
    super(BUFFERING);
    this.#keys = keys;
    this.#header = Buffer.concat([salt, keys.commitment]);
  }

  override _transform(data: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    passing(done, () => {
      for (const chunk of this.#blocks.push(data)) this.#seal(chunk);
    });
  }

  override _flush(done: TransformCallback): void {
    passing(done, () => this.#seal(this.#blocks.rest()));
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#keys.wipe();
    this.#blocks.wipe();
    done(error);
  }

  #seal(chunk: Buffer): void {
    if (this.#header !== null) this.push(this.#header);
    this.#header = null;
    const [ciphertext, tag] = sealChunk(this.#keys, this.#index, chunk);
    if (ciphertext.length > 0) this.push(ciphertext);
    this.push(tag);
    this.#index += 1;
  }
}

class OpenStream extends Transform {
  readonly #inputKey: Buffer;
  readonly #context: Buffer;
  readonly #header = new Blocks(HEADER_BYTES);
  readonly #blocks = new Blocks(SEALED_CHUNK_BYTES);
  #keys: MessageKeys | null = null;
  #index = 0;

  constructor(inputKey: Buffer, context: Buffer) {
    super(BUFFERING);
    this.#inputKey = inputKey;
    this.#context = context;
  }

  override _transform(data: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    passing(done, () => {
      const keys = this.#keys;
      const body = keys === null ? this.#readHeader(data) : data;
      for (const sealed of this.#blocks.push(body)) this.#open(sealed);
    });
  }

  override _flush(done: TransformCallback): void {
    passing(done, () => this.#open(this.#blocks.rest()));
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#keys?.wipe();
    this.#inputKey.fill(0);
    this.#blocks.wipe();
    done(error);
  }

  /** Takes the header off the front of the message; returns what of `data` follows it. */
  #readHeader(data: Buffer): Buffer {
    const missing = HEADER_BYTES - this.#header.rest().length;
    for (const header of this.#header.push(data.subarray(0, missing))) {
      this.#keys = openHeader(this.#inputKey, this.#context, header);
    }
    return data.subarray(missing);
  }

  #open(sealed: Buffer): void {
    // A message that ends within its header, or with a full chunk, or within a tag, was cut.
    if (this.#keys === null || sealed.length < TAG_BYTES) throw new ChunkedTruncated();
    const chunk = openChunk(this.#keys, this.#index, sealed);
    this.#index += 1;
    if (chunk.length > 0) this.push(chunk);
  }
}

function passing(done: TransformCallback, work: () => void): void {
  try {
    work();
  } catch (error) {
    done(error as Error);
    return;
  }
  done();
}
