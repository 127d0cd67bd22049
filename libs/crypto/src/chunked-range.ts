import {
  CHUNK_BYTES,
  HEADER_BYTES,
  type MessageKeys,
  openChunk,
  openChunkInto,
  openHeader,
  plaintextSize,
  SEALED_CHUNK_BYTES,
} from "./chunked-format.ts";
import { ChunkedRangeInvalid, ChunkedTruncated } from "./errors.ts";

/** Reads `length` bytes of the encrypted message at `at`; fewer only where the message ends. */
export type ReadAt = (at: number, length: number) => Promise<Buffer>;

// 256 KiB: few reads for a long range, in bounded memory.
const CHUNKS_PER_READ = 16;

/**
 * Decrypts the plaintext from byte `start` up to, not including, `end`: 16 chunks at a time, in
 * 512 KiB of memory. Only what the range touches is read and authenticated, and all that is good
 * before a fault is yielded; that the message is whole is what authenticatedSize says. Throws
 * ChunkedRangeInvalid (also past the end), ChunkedCommitmentMismatch, ChunkForged or
 * ChunkedTruncated.
 */
export async function* openRange(
  read: ReadAt,
  key: Buffer,
  context: Buffer,
  start: number,
  end: number,
): AsyncGenerator<Buffer> {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start) {
    throw new ChunkedRangeInvalid();
  }
  const keys = openHeader(key, context, await read(0, HEADER_BYTES));
  try {
    if (start === end) return;
    const last = Math.floor((end - 1) / CHUNK_BYTES);
    for (let first = Math.floor(start / CHUNK_BYTES); first <= last; first += CHUNKS_PER_READ) {
      const count = Math.min(CHUNKS_PER_READ, last - first + 1);
      yield* openChunks(
        keys,
        await read(chunkOffset(first), count * SEALED_CHUNK_BYTES),
        first,
        count,
        start,
        end,
      );
    }
  } finally {
    keys.wipe();
  }
}

/** Yields, as one, what lies in the range of `count` chunks that begin with number `first`. */
function* openChunks(
  keys: MessageKeys,
  sealed: Buffer,
  first: number,
  count: number,
  start: number,
  end: number,
): Generator<Buffer> {
  const out = Buffer.allocUnsafeSlow(count * CHUNK_BYTES);
  const wanted = Math.min(out.length, end - first * CHUNK_BYTES);
  let filled = 0;
  let fault: unknown = null;
  try {
    for (let n = 0; n < count; n += 1) {
      const bytes = sealed.subarray(n * SEALED_CHUNK_BYTES, (n + 1) * SEALED_CHUNK_BYTES);
      if (bytes.length === 0) throw new ChunkedRangeInvalid();
      const length = openChunkInto(keys, first + n, bytes, out, filled);
      // Authenticated and short: the last, and the range goes on.
      if (length < Math.min(CHUNK_BYTES, wanted - filled)) throw new ChunkedRangeInvalid();
      filled += length;
    }
  } catch (error) {
    fault = error;
  }
  const from = Math.max(0, start - first * CHUNK_BYTES);
  const to = Math.min(filled, wanted);
  if (from < to) yield out.subarray(from, to);
  if (fault !== null) throw fault;
}

/**
 * The length of the message in `sealedBytes` bytes: its last chunk is decrypted, so that one cut
 * short is refused. Throws ChunkedCommitmentMismatch, ChunkForged or ChunkedTruncated.
 */
export async function authenticatedSize(
  read: ReadAt,
  key: Buffer,
  context: Buffer,
  sealedBytes: number,
): Promise<number> {
  const size = plaintextSize(sealedBytes);
  const keys = openHeader(key, context, await read(0, HEADER_BYTES));
  try {
    const last = Math.floor(size / CHUNK_BYTES);
    const at = chunkOffset(last);
    const sealed = await read(at, sealedBytes - at);
    if (sealed.length !== sealedBytes - at) throw new ChunkedTruncated();
    openChunk(keys, last, sealed);
    return size;
  } finally {
    keys.wipe();
  }
}

function chunkOffset(index: number): number {
  return HEADER_BYTES + index * SEALED_CHUNK_BYTES;
}
