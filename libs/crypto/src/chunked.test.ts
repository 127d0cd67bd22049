import { createHash, randomBytes } from "node:crypto";
import { Readable, type Transform } from "node:stream";
import { inflateSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { plainCobblestone256, plainOpenCobblestone256 } from "../test/plain-chunked.ts";
import { ownVectors, sharedVectors } from "../test/shared-data.ts";
import { flipped, shake } from "../test/vector-parts.ts";
import { createOpenStream, createSealStream, createSealStreamWithSaltUnsafe } from "./chunked.ts";
import {
  CHUNK_BYTES,
  fileContext,
  HEADER_BYTES,
  plaintextSize,
  SEALED_CHUNK_BYTES,
  sealedSize,
} from "./chunked-format.ts";
import { authenticatedSize, openRange, type ReadAt } from "./chunked-range.ts";
import {
  ChunkedCommitmentMismatch,
  ChunkedRangeInvalid,
  ChunkedRefused,
  ChunkedTooLong,
  ChunkedTruncated,
  ChunkForged,
  KeyInvalid,
} from "./errors.ts";

const key = randomBytes(32);
const context = fileContext("files", "0190b3c4-0000-7000-8000-000000000001");

/** Everything that came out, and the error that ended it, if one did. */
async function through(
  stream: Transform,
  input: Buffer,
  stepBytes: number,
): Promise<{ out: Buffer; error: unknown }> {
  const steps = function* (): Generator<Buffer> {
    for (let at = 0; at < input.length; at += stepBytes) yield input.subarray(at, at + stepBytes);
  };
  const parts: Buffer[] = [];
  try {
    const source = Readable.from(steps(), { objectMode: true });
    source.on("error", () => {});
    for await (const part of source.pipe(stream)) parts.push(part as Buffer);
    return { out: Buffer.concat(parts), error: null };
  } catch (error) {
    return { out: Buffer.concat(parts), error };
  }
}

async function sealed(message: Buffer): Promise<Buffer> {
  return (await through(createSealStream(key, context), message, 10_000)).out;
}

async function refusal(input: Buffer, withKey = key, withContext = context): Promise<unknown> {
  return (await through(createOpenStream(withKey, withContext), input, 9_000)).error;
}

const readOf =
  (bytes: Buffer): ReadAt =>
  (at, length) =>
    Promise.resolve(bytes.subarray(at, at + length));

async function range(bytes: Buffer, start: number, end: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of openRange(readOf(bytes), key, context, start, end)) parts.push(part);
  return Buffer.concat(parts);
}

/** Chunk `n` of a message, as it lies in its ciphertext. */
const chunkAt = (bytes: Buffer, n: number): Buffer =>
  bytes.subarray(HEADER_BYTES + n * SEALED_CHUNK_BYTES, HEADER_BYTES + (n + 1) * SEALED_CHUNK_BYTES);

test("both implementations make and open the published messages, ours in steps of any size", async () => {
  interface Vector {
    key: string;
    salt: string;
    context: string;
    messageLabel: string;
    messageBytes: number;
    header: string;
    sealedBytes: number;
    sealedSha256: string;
  }
  for (const vector of ownVectors<Vector[]>("cobblestone-256")) {
    const message = shake(vector.messageLabel, vector.messageBytes);
    const input = [vector.key, vector.context, vector.salt].map((hex) => Buffer.from(hex, "hex")) as [
      Buffer,
      Buffer,
      Buffer,
    ];
    for (const step of [message.length + 1, 10_007]) {
      const { out } = await through(createSealStreamWithSaltUnsafe(...input), message, step);
      expect(out.subarray(0, HEADER_BYTES).toString("hex")).toBe(vector.header);
      expect(out.length).toBe(vector.sealedBytes);
      expect(createHash("sha256").update(out).digest("hex")).toBe(vector.sealedSha256);
      const opened = await through(createOpenStream(input[0], input[1]), out, step);
      expect(opened.error).toBeNull();
      expect(opened.out.equals(message)).toBe(true);
    }
    const [inputKey, place, salt] = input;
    const sealedByPage = plainCobblestone256(inputKey, salt, place, message);
    expect(createHash("sha256").update(sealedByPage).digest("hex")).toBe(vector.sealedSha256);
    expect(plainOpenCobblestone256(inputKey, place, sealedByPage)).toEqual(message);
  }
});

test("the specification's vectors hold, where they are at hand", async () => {
  interface Vector {
    tcId: number;
    key: string;
    ctx: string;
    ct: string;
    msgLength?: number;
    msgSha512?: string;
    result: "valid" | "invalid";
  }
  const file = "wycheproof/c2sp_chunked_encryption_aes_256_gcm_test.json";
  const groups = sharedVectors<{ testGroups: { tests: Vector[] }[] }>(file)?.testGroups ?? [];
  for (const vector of groups.flatMap((group) => group.tests)) {
    const [inputKey, inputContext] = [Buffer.from(vector.key, "hex"), Buffer.from(vector.ctx, "hex")];
    const ciphertext = inflateSync(Buffer.from(vector.ct, "hex"));
    if (vector.result === "invalid") {
      const opening = (): Promise<unknown> => refusal(ciphertext, inputKey, inputContext);
      if (inputKey.length !== 32) expect(() => createOpenStream(inputKey, inputContext)).toThrow(KeyInvalid);
      else expect(await opening(), `test ${vector.tcId}`).toBeInstanceOf(ChunkedRefused);
      continue;
    }
    const { out, error } = await through(createOpenStream(inputKey, inputContext), ciphertext, 7_777);
    expect(error, `test ${vector.tcId}`).toBeNull();
    expect(out.length).toBe(vector.msgLength);
    expect(createHash("sha512").update(out).digest("hex")).toBe(vector.msgSha512);
  }
});

test("any message agrees with the plain second implementation and comes back whole", async () => {
  const length = fc.oneof(fc.nat(100), fc.integer({ min: 16_300, max: 16_500 }), fc.nat(70_000));
  const property = fc.asyncProperty(
    length,
    fc.integer({ min: 1, max: 40_000 }),
    fc.uint8Array(),
    async (n, step, c) => {
      const [message, salt, place] = [randomBytes(n), randomBytes(24), Buffer.from(c)];
      const { out } = await through(
        createSealStreamWithSaltUnsafe(key, place, salt),
        message,
        Math.max(step, n >> 9),
      );
      expect(out.equals(plainCobblestone256(key, salt, place, message))).toBe(true);
      expect(out.length).toBe(sealedSize(n));
      expect(plaintextSize(out.length)).toBe(n);
      const opened = await through(createOpenStream(key, place), out, Math.max(step, n >> 9));
      expect(opened.error).toBeNull();
      expect(opened.out.equals(message)).toBe(true);
    },
  );
  await fc.assert(property, { numRuns: 60 });
});

test("any range of a message is what the whole has there", async () => {
  const message = randomBytes(5 * CHUNK_BYTES + 77);
  const box = await sealed(message);
  const property = fc.asyncProperty(fc.nat(message.length), fc.nat(message.length), async (a, b) => {
    const [start, end] = a < b ? [a, b] : [b, a];
    expect((await range(box, start, end)).equals(message.subarray(start, end))).toBe(true);
  });
  await fc.assert(property, { numRuns: 60 });
  expect((await range(box, 0, message.length)).equals(message)).toBe(true);
});

test("a range reads no more than 16 chunks at a time and only the chunks that it touches", async () => {
  const message = randomBytes(130 * CHUNK_BYTES);
  const box = await sealed(message);
  const reads: [number, number][] = [];
  const read: ReadAt = (at, length) => {
    reads.push([at, length]);
    return readOf(box)(at, length);
  };
  const parts: Buffer[] = [];
  for await (const part of openRange(read, key, context, 5, message.length - 1)) parts.push(part);
  expect(Buffer.concat(parts).equals(message.subarray(5, -1))).toBe(true);
  expect(reads.every(([, length]) => length <= 16 * SEALED_CHUNK_BYTES)).toBe(true);
  reads.length = 0;
  for await (const part of openRange(read, key, context, 40_000, 40_001)) expect(part.length).toBe(1);
  expect(reads).toEqual([
    [0, HEADER_BYTES],
    [HEADER_BYTES + 2 * SEALED_CHUNK_BYTES, SEALED_CHUNK_BYTES],
  ]);
});

test("a range passes on what is good before a changed chunk, and nothing of it or after it", async () => {
  const message = randomBytes(20 * CHUNK_BYTES);
  const box = await sealed(message);
  for (const damaged of [0, 1, 5, 15, 16, 17, 19]) {
    const changed = flipped(box, HEADER_BYTES + damaged * SEALED_CHUNK_BYTES);
    const parts: Buffer[] = [];
    const reading = async () => {
      for await (const part of openRange(readOf(changed), key, context, 9, message.length)) parts.push(part);
    };
    await expect(reading()).rejects.toBeInstanceOf(ChunkForged);
    const good = message.subarray(9, Math.max(9, damaged * CHUNK_BYTES));
    expect(Buffer.concat(parts).equals(good), `chunk ${damaged}`).toBe(true);
  }
});

test("a range that is reversed, negative or past the end is refused", async () => {
  const box = await sealed(randomBytes(CHUNK_BYTES + 5));
  for (const [start, end] of [
    [5, 4],
    [-1, 4],
    [0.5, 4],
    [0, CHUNK_BYTES + 6],
    [5 * CHUNK_BYTES, 5 * CHUNK_BYTES + 1],
  ] as const) {
    await expect(range(box, start, end)).rejects.toBeInstanceOf(ChunkedRangeInvalid);
  }
});

test("a message cut anywhere is refused, as a stream and by its authenticated size", async () => {
  const box = await sealed(randomBytes(2 * CHUNK_BYTES));
  const cuts = [
    0,
    1,
    23,
    24,
    55,
    56,
    57,
    71,
    72,
    5_000,
    16_455,
    16_456,
    16_457,
    30_000,
    32_856,
    32_860,
    box.length - 1,
  ];
  for (const cut of cuts) {
    const short = box.subarray(0, cut);
    expect(await refusal(short), `cut at ${cut}`).toBeInstanceOf(ChunkedRefused);
    const size = authenticatedSize(readOf(short), key, context, cut);
    await expect(size, `cut at ${cut}`).rejects.toBeInstanceOf(ChunkedRefused);
  }
  // Both at the end of a chunk: the last chunk, which is empty here, is missing.
  expect(await refusal(box.subarray(0, -16))).toBeInstanceOf(ChunkedTruncated);
  expect(await refusal(box.subarray(0, 56 + SEALED_CHUNK_BYTES))).toBeInstanceOf(ChunkedTruncated);
  expect(await authenticatedSize(readOf(box), key, context, box.length)).toBe(2 * CHUNK_BYTES);
});

test("a chunk dropped, doubled, swapped, or added after the last is refused", async () => {
  const box = await sealed(randomBytes(3 * CHUNK_BYTES + 9));
  const header = box.subarray(0, HEADER_BYTES);
  const [a, b, c, d] = [0, 1, 2, 3].map((n) => chunkAt(box, n)) as [Buffer, Buffer, Buffer, Buffer];
  for (const order of [
    [b, c, d],
    [a, c, d],
    [a, a, b, c, d],
    [b, a, c, d],
    [a, c, b, d],
    [d, a, b, c],
    [a, b, c, d, a],
    [a, b, c, d, d],
    [a, b, d],
  ]) {
    expect(await refusal(Buffer.concat([header, ...order]))).toBeInstanceOf(ChunkForged);
  }
  expect(await refusal(Buffer.concat([header, a, b, c]))).toBeInstanceOf(ChunkedTruncated);
  expect(await refusal(Buffer.concat([box, Buffer.alloc(1)]))).toBeInstanceOf(ChunkForged);
});

test("a message with any one byte changed is refused, and nothing of the changed chunk comes out", async () => {
  const message = randomBytes(100);
  const box = await sealed(message);
  for (let at = 0; at < box.length; at += 1) {
    const changed = flipped(box, at);
    const { out, error } = await through(createOpenStream(key, context), changed, 60);
    expect(error).toBeInstanceOf(at < HEADER_BYTES ? ChunkedCommitmentMismatch : ChunkForged);
    expect(out.length).toBe(0);
    await expect(range(changed, 0, 1)).rejects.toBeInstanceOf(ChunkedRefused);
  }
});

test("another key or another file's context is refused before any chunk is decrypted", async () => {
  const box = await sealed(randomBytes(10));
  expect(await refusal(box, randomBytes(32))).toBeInstanceOf(ChunkedCommitmentMismatch);
  expect(await refusal(box, key, fileContext("files", "other"))).toBeInstanceOf(ChunkedCommitmentMismatch);
  expect(
    await refusal(box, key, fileContext("backup", "0190b3c4-0000-7000-8000-000000000001")),
  ).toBeInstanceOf(ChunkedCommitmentMismatch);
  const wrongKey = openRange(readOf(box), randomBytes(32), context, 0, 1).next();
  await expect(wrongKey).rejects.toBeInstanceOf(ChunkedCommitmentMismatch);
});

test("keys that are not 32 bytes, and messages past 4 PiB, are refused", () => {
  for (const length of [0, 16, 31, 33]) {
    expect(() => createSealStream(Buffer.alloc(length), context)).toThrow(KeyInvalid);
    expect(() => createOpenStream(Buffer.alloc(length), context)).toThrow(KeyInvalid);
  }
  expect(sealedSize(2 ** 52 - 1)).toBeGreaterThan(2 ** 52);
  expect(() => sealedSize(2 ** 52)).toThrow(ChunkedTooLong);
});

test("the number of a chunk past 2^32 changes the nonce's fifth byte from the end", async () => {
  // No test can make a stream that long; the rule is checked on the two functions that use it.
  const { deriveMessageKeys, openChunk, sealChunk } = await import("./chunked-format.ts");
  const keys = deriveMessageKeys(key, Buffer.alloc(24), context);
  const chunk = Buffer.from("chunk");
  const index = 3 * 2 ** 32 + 0x8000_0001;
  const far = Buffer.concat(sealChunk(keys, index, chunk));
  const moved = { ...keys, baseNonce: Buffer.from(keys.baseNonce) };
  const shifted = BigInt(`0x${keys.baseNonce.toString("hex")}`) ^ BigInt(index);
  Buffer.from(shifted.toString(16).padStart(24, "0"), "hex").copy(moved.baseNonce);
  expect(openChunk(moved, 0, far)).toEqual(chunk);
  expect(() => openChunk(keys, index % 2 ** 32, far)).toThrow(ChunkForged);
  expect(() => sealChunk(keys, 2 ** 38, chunk)).toThrow(ChunkedTooLong);
});

test("memory does not grow with the message: 256 MiB sealed and opened in one stream", async () => {
  const step = Buffer.alloc(1 << 20, 7);
  const source = function* (): Generator<Buffer> {
    for (let n = 0; n < 256; n += 1) yield step;
  };
  let bytes = 0;
  let peak = 0;
  const before = process.memoryUsage().arrayBuffers;
  const sealing = Readable.from(source()).pipe(createSealStream(key, context));
  for await (const part of sealing.pipe(createOpenStream(key, context))) {
    bytes += (part as Buffer).length;
    // Unused buffers count until V8 collects them, which it does within some 64 MiB.
    peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
  }
  expect(bytes).toBe(256 << 20);
  expect(peak).toBeLessThan(128 << 20);
});
