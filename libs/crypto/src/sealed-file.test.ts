import { randomBytes } from "node:crypto";
import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { expect, test } from "vitest";
import { plainCobblestone256, plainOpenCobblestone256 } from "../test/plain-chunked.ts";
import { createOpenStream } from "./chunked.ts";
import { CHUNK_BYTES, fileContext, SEALED_CHUNK_BYTES, sealedSize } from "./chunked-format.ts";
import {
  ChunkedCommitmentMismatch,
  ChunkedRefused,
  ChunkedTruncated,
  ChunkForged,
  KeyInvalid,
  NothingWritten,
} from "./errors.ts";
import { type ByteSource, type ByteTarget, openFile, sealFile } from "./sealed-file.ts";

const key = randomBytes(32);
const context = fileContext("files", "0190b3c4-0000-7000-8000-000000000001");

/** Reads like a file, at most `stepBytes` at a time. */
function sourceOf(bytes: Buffer, stepBytes = Number.POSITIVE_INFINITY): ByteSource {
  let position = 0;
  return {
    read: (into, at, length) => {
      const bytesRead = bytes.copy(into, at, position, position + Math.min(length, stepBytes));
      position += bytesRead;
      return Promise.resolve({ bytesRead });
    },
  };
}

/** Takes like a file, at most `stepBytes` at a time. */
function target(stepBytes = Number.POSITIVE_INFINITY): ByteTarget & { bytes(): Buffer } {
  const parts: Buffer[] = [];
  return {
    write: (from, at, length) => {
      const bytesWritten = Math.min(length, stepBytes);
      parts.push(Buffer.from(from.subarray(at, at + bytesWritten)));
      return Promise.resolve({ bytesWritten });
    },
    bytes: () => Buffer.concat(parts),
  };
}

async function sealed(message: Buffer): Promise<Buffer> {
  const to = target();
  await sealFile(sourceOf(message), to, key, context);
  return to.bytes();
}

const SLAB = 16 * CHUNK_BYTES;

test("files about the edges of chunks and of what is read at once are sealed as the page says", async () => {
  for (const length of [
    0,
    1,
    CHUNK_BYTES - 1,
    CHUNK_BYTES,
    CHUNK_BYTES + 1,
    SLAB - 1,
    SLAB,
    SLAB + 1,
    2 * SLAB,
  ]) {
    const message = randomBytes(length);
    const to = target(300_000);
    const done = await sealFile(sourceOf(message, 100_000), to, key, context);
    const box = to.bytes();
    expect(done).toEqual({ plaintextBytes: length, sealedBytes: sealedSize(length) });
    expect(box.equals(plainCobblestone256(key, box.subarray(0, 24), context, message))).toBe(true);
    const opened = target();
    expect(await openFile(sourceOf(box, 99_999), opened, key, context)).toEqual(done);
    expect(opened.bytes().equals(message)).toBe(true);
  }
});

test("any file comes back whole, by file, by stream and by the plain second implementation", async () => {
  const property = fc.asyncProperty(
    fc.nat(70_000),
    fc.integer({ min: 500, max: 40_000 }),
    async (n, step) => {
      const message = randomBytes(n);
      const to = target(step);
      await sealFile(sourceOf(message, step), to, key, context);
      const stream = createOpenStream(key, context);
      stream.end(to.bytes());
      expect((await buffer(stream)).equals(message)).toBe(true);
      const plain = plainOpenCobblestone256(key, context, to.bytes());
      expect(Buffer.isBuffer(plain) && plain.equals(message)).toBe(true);
    },
  );
  await fc.assert(property, { numRuns: 40 });
});

test("a file that was cut, lengthened, reordered or changed is refused", async () => {
  const box = await sealed(randomBytes(2 * CHUNK_BYTES + 5));
  const refused = (bytes: Buffer, withKey = key, withContext = context): Promise<unknown> =>
    openFile(sourceOf(bytes), target(), withKey, withContext).then(
      () => null,
      (error: unknown) => error,
    );
  for (const cut of [
    0,
    55,
    56,
    71,
    5_000,
    56 + SEALED_CHUNK_BYTES,
    56 + 2 * SEALED_CHUNK_BYTES,
    box.length - 1,
  ]) {
    expect(await refused(box.subarray(0, cut)), `cut at ${cut}`).toBeInstanceOf(ChunkedRefused);
  }
  expect(await refused(box.subarray(0, 56 + 2 * SEALED_CHUNK_BYTES))).toBeInstanceOf(ChunkedTruncated);
  expect(await refused(Buffer.concat([box, Buffer.alloc(1)]))).toBeInstanceOf(ChunkForged);
  const first = box.subarray(56, 56 + SEALED_CHUNK_BYTES);
  const second = box.subarray(56 + SEALED_CHUNK_BYTES, 56 + 2 * SEALED_CHUNK_BYTES);
  const swapped = [box.subarray(0, 56), second, first, box.subarray(56 + 2 * SEALED_CHUNK_BYTES)];
  expect(await refused(Buffer.concat(swapped))).toBeInstanceOf(ChunkForged);
  expect(await refused(box, randomBytes(32))).toBeInstanceOf(ChunkedCommitmentMismatch);
  expect(await refused(box, key, fileContext("files", "other"))).toBeInstanceOf(ChunkedCommitmentMismatch);
  expect(await refused(box, key.subarray(1))).toBeInstanceOf(KeyInvalid);
});

test("nothing of a changed chunk is written", async () => {
  const message = randomBytes(3 * CHUNK_BYTES);
  const box = await sealed(message);
  box[56 + SEALED_CHUNK_BYTES] = (box[56 + SEALED_CHUNK_BYTES] ?? 0) ^ 1;
  const to = target();
  await expect(openFile(sourceOf(box), to, key, context)).rejects.toBeInstanceOf(ChunkForged);
  expect(to.bytes().equals(message.subarray(0, to.bytes().length))).toBe(true);
  expect(to.bytes().length).toBeLessThanOrEqual(CHUNK_BYTES);
});

test("a target that takes nothing, and a source or target that fails, end it", async () => {
  const full: ByteTarget = { write: () => Promise.resolve({ bytesWritten: 0 }) };
  await expect(sealFile(sourceOf(randomBytes(9)), full, key, context)).rejects.toBeInstanceOf(NothingWritten);
  const broken = new Error("EIO");
  const failing: ByteSource = { read: () => Promise.reject(broken) };
  await expect(sealFile(failing, target(), key, context)).rejects.toBe(broken);
  await expect(sealFile(sourceOf(randomBytes(9)), target(), key.subarray(1), context)).rejects.toBeInstanceOf(
    KeyInvalid,
  );
});

test("files of the file system are sealed and opened by their handles", async () => {
  const folder = await mkdtemp(join(tmpdir(), "medvault-crypto-"));
  const path = (name: string): string => join(folder, name);
  try {
    const message = randomBytes(3_000_000);
    await writeFile(path("plain"), message);
    for (const [work, from, to] of [
      [sealFile, "plain", "sealed"],
      [openFile, "sealed", "opened"],
    ] as const) {
      const [source, draft] = [await open(path(from), "r"), await open(path(to), "wx", 0o600)];
      await work(source, draft, key, context);
      await source.close();
      await draft.close();
    }
    expect((await readFile(path("opened"))).equals(message)).toBe(true);
    expect((await readFile(path("sealed"))).length).toBe(sealedSize(message.length));
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("memory does not grow with the file: 256 MiB sealed and opened in less than 16 MiB", async () => {
  const totalBytes = 256 << 20;
  const folder = await mkdtemp(join(tmpdir(), "medvault-crypto-"));
  try {
    const file = await open(join(folder, "sealed"), "wx+");
    const before = process.memoryUsage().arrayBuffers;
    let peak = 0;
    let left = totalBytes;
    const plain: ByteSource & ByteTarget = {
      read: (into, at, length) => {
        peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
        const bytesRead = Math.min(left, length);
        into.fill(7, at, at + bytesRead);
        left -= bytesRead;
        return Promise.resolve({ bytesRead });
      },
      write: (_from, _at, length) => {
        peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
        return Promise.resolve({ bytesWritten: length });
      },
    };
    const done = await sealFile(plain, file, key, context);
    expect(done).toEqual({ plaintextBytes: totalBytes, sealedBytes: sealedSize(totalBytes) });
    let position = 0;
    const sealedSource: ByteSource = {
      read: async (into, at, length) => {
        const { bytesRead } = await file.read(into, at, length, position);
        position += bytesRead;
        return { bytesRead };
      },
    };
    expect(await openFile(sealedSource, plain, key, context)).toEqual(done);
    await file.close();
    expect(peak).toBeLessThan(16 << 20);
  } finally {
    await rm(folder, { recursive: true });
  }
});
