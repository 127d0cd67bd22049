const SIGNATURE = Buffer.from("PGCOPY\n\xff\r\n\0", "latin1");
const HEADER_BYTES = SIGNATURE.length + 8;
const END_OF_ROWS = -1;
const NULL_FIELD = -1;
/** Of one row. Those of key tables have some 200 bytes, a public key's some more. */
const MAX_ROW_BYTES = 64 * 1024;

/** The fields of a row as COPY has them in binary format; null is NULL. */
export type Tuple = readonly (Buffer | null)[];

/**
 * The rows of a COPY in binary format (https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format"). Holds a chunk and
 * a row. Throws RangeError when the bytes are no such COPY, end early, or have a row of more than 64 KiB.
 */
export async function* readTuples(bytes: AsyncIterable<Buffer>): AsyncGenerator<Tuple> {
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
      const row = isEnded ? null : nextRow(held, at);
      if (row === null) break;
      at = row.end;
      if (row.tuple) yield row.tuple;
      else isEnded = true;
    }
    if (held.length - at > MAX_ROW_BYTES || (isEnded && held.length > at))
      throw new RangeError("not a COPY of keys");
  }
  if (!isEnded) throw new RangeError("the COPY is not whole");
}

function afterHeader(data: Buffer): number {
  if (!data.subarray(0, SIGNATURE.length).equals(SIGNATURE)) throw new RangeError("not a binary COPY");
  // Nobody writes extensions; and the flag for OIDs is gone since Postgres 12.
  if (data.readBigUInt64BE(SIGNATURE.length) !== 0n) throw new RangeError("not a COPY of ours");
  return HEADER_BYTES;
}

/** The row that begins there, null for the end of rows in place of a tuple; null when it is not all there yet. */
function nextRow(data: Buffer, from: number): { tuple: Tuple | null; end: number } | null {
  if (data.length - from < 2) return null;
  const fields = data.readInt16BE(from);
  let at = from + 2;
  if (fields === END_OF_ROWS) return { tuple: null, end: at };
  if (fields < 0) throw new RangeError("not a row");
  const tuple: (Buffer | null)[] = [];
  for (let n = 0; n < fields; n += 1) {
    if (data.length - at < 4) return null;
    const length = data.readInt32BE(at);
    if (length < NULL_FIELD || length > MAX_ROW_BYTES) throw new RangeError("not a field");
    at += 4;
    if (data.length - at < length) return null;
    tuple.push(length === NULL_FIELD ? null : Buffer.from(data.subarray(at, at + length)));
    at += Math.max(0, length);
  }
  return { tuple, end: at };
}

/** The same rows as one COPY in binary format. */
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
