// COPY in binary format: https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format".

const SIGNATURE = Buffer.from("PGCOPY\n\xff\r\n\0", "latin1");
const HEADER_BYTES = SIGNATURE.length + 8;
const END_OF_ROWS = -1;
const NULL_FIELD = -1;
/** Rows of key tables have some 200 bytes, a public key's some more. */
const MAX_KEY_ROW_BYTES = 64 * 1024;

/**
 * Counts the rows of a COPY as its bytes pass, and checks that it is whole. Holds no field: lengths
 * are read, contents skipped. `finish` throws RangeError when the bytes are no COPY or end early.
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

  /** Reads the next element; 0 when it is not all there yet. May point past the data. */
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

/** The fields of a row as COPY has them; null is NULL. */
export type Tuple = readonly (Buffer | null)[];

/**
 * The rows of a COPY. Holds a chunk and a row. Throws RangeError when the bytes are no COPY, end
 * early, or have a row of more than `maxRowBytes`.
 */
export async function* readTuples(
  bytes: AsyncIterable<Buffer>,
  maxRowBytes = MAX_KEY_ROW_BYTES,
): AsyncGenerator<Tuple> {
  let held = Buffer.alloc(0);
  let at = 0;
  let isBegun = false;
  let isEnded = false;
  for await (const chunk of bytes) {
    held = Buffer.concat([held.subarray(at), chunk]);
    at = 0;
    if (!isBegun) {
      if (held.length < HEADER_BYTES) continue;
      at = afterHeader(held);
      isBegun = true;
    }
    for (;;) {
      const row = isEnded ? null : nextRow(held, at, maxRowBytes);
      if (row === null) break;
      at = row.end;
      if (row.tuple) yield row.tuple;
      else isEnded = true;
    }
    if (held.length - at > maxRowBytes || (isEnded && held.length > at))
      throw new RangeError("a row is too long, or something follows the COPY's end");
  }
  if (!isEnded) throw new RangeError("the COPY is not whole");
}

function afterHeader(data: Buffer): number {
  if (!data.subarray(0, SIGNATURE.length).equals(SIGNATURE)) throw new RangeError("not a binary COPY");
  // No version of Postgres writes extensions, and the flag for OIDs is gone since 12.
  if (data.readBigUInt64BE(SIGNATURE.length) !== 0n) throw new RangeError("not a COPY of ours");
  return HEADER_BYTES;
}

/** The row that begins there, with no tuple at the end of rows; null while it is not all there. */
function nextRow(data: Buffer, from: number, maxBytes: number): { tuple: Tuple | null; end: number } | null {
  if (data.length - from < 2) return null;
  const fields = data.readInt16BE(from);
  let at = from + 2;
  if (fields === END_OF_ROWS) return { tuple: null, end: at };
  if (fields < 0) throw new RangeError("not a row");
  const tuple: (Buffer | null)[] = [];
  for (let n = 0; n < fields; n += 1) {
    if (data.length - at < 4) return null;
    const length = data.readInt32BE(at);
    if (length < NULL_FIELD || length > maxBytes) throw new RangeError("not a field");
    at += 4;
    if (data.length - at < length) return null;
    tuple.push(length === NULL_FIELD ? null : Buffer.from(data.subarray(at, at + length)));
    at += Math.max(0, length);
  }
  return { tuple, end: at };
}

/** Rows as one COPY. */
export async function* writeTuples(tuples: AsyncIterable<Tuple>): AsyncGenerator<Buffer> {
  yield Buffer.concat([SIGNATURE, Buffer.alloc(8)]);
  for await (const tuple of tuples) yield rowBytes(tuple);
  const end = Buffer.alloc(2);
  end.writeInt16BE(END_OF_ROWS);
  yield end;
}

function rowBytes(tuple: Tuple): Buffer {
  const count = Buffer.alloc(2);
  count.writeInt16BE(tuple.length);
  const fields = tuple.flatMap((field) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(field?.length ?? NULL_FIELD);
    return field ? [length, field] : [length];
  });
  return Buffer.concat([count, ...fields]);
}
