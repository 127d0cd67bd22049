import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createDeflateRaw } from "node:zlib";
import { AesEntry } from "./aes-entry.ts";
import {
  centralRecord,
  descriptor,
  encryptedSize,
  endRecords,
  localRecord,
  MAX_32,
  type ZipEntry,
} from "./zip-format.ts";

type Pieces = AsyncIterable<Buffer>;

/** What was put in: its plain size and SHA-256. */
export interface Packed {
  readonly name: string;
  readonly size: number;
  readonly sha256: string;
}

/**
 * A ZIP file in pieces, each entry encrypted with the password (AE-2, AES-256), in bounded memory
 * whatever its size. Names, sizes and times can be read without it: names are to be neutral.
 */
export class Zip {
  readonly #password: string;
  readonly #at: Date;
  readonly #directory: (ZipEntry & { follows: boolean })[] = [];
  readonly packed: Packed[] = [];
  #offset = 0;

  constructor(password: string, at: Date) {
    this.#password = password;
    this.#at = at;
  }

  /** As it is, where its size is known. Throws RangeError where that was wrong. */
  async *store(name: string, size: number, content: Pieces): AsyncGenerator<Buffer> {
    const sizes = { size, storedSize: encryptedSize(size) };
    yield* this.#entry(name, content, sizes);
  }

  /** Compressed, of a size that only its end tells, under 4 GiB. Throws RangeError past that. */
  async *deflate(name: string, content: Pieces): AsyncGenerator<Buffer> {
    yield* this.#entry(name, content, null);
  }

  /** The directory: nothing comes after it. */
  async *end(): AsyncGenerator<Buffer> {
    const offset = this.#offset;
    for (const entry of this.#directory) yield this.#counted(centralRecord(entry));
    yield endRecords(this.#directory.length, offset, this.#offset - offset);
  }

  async *#entry(
    name: string,
    content: Pieces,
    sizes: { size: number; storedSize: number } | null,
  ): AsyncGenerator<Buffer> {
    const follows = sizes === null;
    const entry = { name, at: this.#at, isDeflated: follows, offset: this.#offset, follows };
    yield this.#counted(localRecord(entry, sizes));
    const begin = this.#offset;
    const hash = createHash("sha256");
    let size = 0;
    const seen = async function* () {
      for await (const piece of content) {
        hash.update(piece);
        size += piece.length;
        if (size > (sizes?.size ?? MAX_32 - 1)) throw new RangeError("an entry is longer than it may be");
        yield piece;
      }
    };
    const aes = new AesEntry(this.#password);
    yield this.#counted(aes.head);
    for await (const piece of follows ? deflated(seen()) : seen()) yield this.#counted(aes.update(piece));
    yield this.#counted(aes.tail());
    const storedSize = this.#offset - begin;
    if (sizes ? sizes.size !== size : storedSize >= MAX_32) throw new RangeError("an entry has another size");
    if (follows) yield this.#counted(descriptor({ size, storedSize }));
    this.#directory.push({ ...entry, size, storedSize });
    this.packed.push({ name, size, sha256: hash.digest("hex") });
  }

  #counted(piece: Buffer): Buffer {
    this.#offset += piece.length;
    return piece;
  }
}

async function* deflated(content: Pieces): AsyncGenerator<Buffer> {
  const deflate = createDeflateRaw();
  const done = pipeline(Readable.from(content, { objectMode: false }), deflate);
  done.catch(() => undefined); // read from `deflate` too, and awaited below
  yield* deflate as AsyncIterable<Buffer>;
  await done;
}
