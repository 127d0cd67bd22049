import { randomBytes } from "node:crypto";
import {
  CHUNK_BYTES,
  deriveMessageKeys,
  HEADER_BYTES,
  openChunkInto,
  openHeader,
  SALT_BYTES,
  SEALED_CHUNK_BYTES,
  sealChunkInto,
} from "./chunked-format.ts";
import { KeyInvalid, NothingWritten } from "./errors.ts";

/** The source: a FileHandle of node:fs/promises, at its place. This library opens nothing. */
export interface ByteSource {
  read(into: Buffer, at: number, length: number, position: null): Promise<{ bytesRead: number }>;
}

/** What is written to: a FileHandle of node:fs/promises, at its place. */
export interface ByteTarget {
  write(from: Buffer, at: number, length: number, position: null): Promise<{ bytesWritten: number }>;
}

/** How long both sides were. */
export interface SealedFile {
  readonly plaintextBytes: number;
  readonly sealedBytes: number;
}

// 256 KiB: few reads and writes, and a quarter of a ms of work at a time on the event loop.
const CHUNKS_PER_READ = 16;

/**
 * Encrypts a whole file (Cobblestone-256) in 512 KiB of memory, however long. Writes at the place
 * of `to`, and neither syncs nor closes it: until this resolved and `to` was synced, it is a draft
 * (FORMATS.md, "Files"). Throws KeyInvalid, ChunkedTooLong, or errors of reading and writing.
 */
export async function sealFile(
  from: ByteSource,
  to: ByteTarget,
  key: Buffer,
  context: Buffer,
): Promise<SealedFile> {
  const salt = randomBytes(SALT_BYTES);
  const keys = deriveMessageKeys(key, salt, context);
  try {
    await writeAll(to, Buffer.concat([salt, keys.commitment]));
    const convert = (chunk: Buffer, index: number, out: Buffer, at: number): number =>
      sealChunkInto(keys, index, chunk, out, at);
    const done = await convertChunks(from, to, CHUNK_BYTES, convert);
    return { plaintextBytes: done.bytesRead, sealedBytes: HEADER_BYTES + done.bytesWritten };
  } finally {
    keys.wipe();
  }
}

/**
 * Decrypts a whole file in 512 KiB of memory. Each chunk is authenticated before it is written, but
 * the file is known to be whole only when this resolves: else delete it. Throws KeyInvalid,
 * ChunkedCommitmentMismatch, ChunkForged, ChunkedTruncated, or errors of reading and writing.
 */
export async function openFile(
  from: ByteSource,
  to: ByteTarget,
  key: Buffer,
  context: Buffer,
): Promise<SealedFile> {
  if (key.length !== 32) throw new KeyInvalid();
  const header = Buffer.alloc(HEADER_BYTES);
  const keys = openHeader(key, context, header.subarray(0, await readFull(from, header)));
  try {
    const convert = (sealed: Buffer, index: number, out: Buffer, at: number): number =>
      openChunkInto(keys, index, sealed, out, at);
    const done = await convertChunks(from, to, SEALED_CHUNK_BYTES, convert);
    return { plaintextBytes: done.bytesWritten, sealedBytes: HEADER_BYTES + done.bytesRead };
  } finally {
    keys.wipe();
  }
}

/** Converts and writes each chunk of `chunkBytes` and the shorter last one, in the same memory. */
async function convertChunks(
  from: ByteSource,
  to: ByteTarget,
  chunkBytes: number,
  convert: (chunk: Buffer, index: number, out: Buffer, at: number) => number,
): Promise<{ bytesRead: number; bytesWritten: number }> {
  const input = Buffer.allocUnsafeSlow(CHUNKS_PER_READ * chunkBytes);
  const output = Buffer.allocUnsafeSlow(CHUNKS_PER_READ * SEALED_CHUNK_BYTES);
  const done = { bytesRead: 0, bytesWritten: 0 };
  try {
    for (let index = 0; ; ) {
      const length = await readFull(from, input);
      const isEnd = length < input.length;
      let at = 0;
      for (let start = 0; start < length || (isEnd && start === length); start += chunkBytes) {
        const chunk = input.subarray(start, Math.min(start + chunkBytes, length));
        at += convert(chunk, index, output, at);
        index += 1;
      }
      await writeAll(to, output.subarray(0, at));
      done.bytesRead += length;
      done.bytesWritten += at;
      if (isEnd) return done;
    }
  } finally {
    input.fill(0);
    output.fill(0);
  }
}

/** Fills the buffer unless the source ends before. Returns how many bytes it read. */
async function readFull(from: ByteSource, into: Buffer): Promise<number> {
  let at = 0;
  while (at < into.length) {
    const { bytesRead } = await from.read(into, at, into.length - at, null);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return at;
}

async function writeAll(to: ByteTarget, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await to.write(bytes, at, bytes.length - at, null);
    if (bytesWritten === 0) throw new NothingWritten();
    at += bytesWritten;
  }
}
