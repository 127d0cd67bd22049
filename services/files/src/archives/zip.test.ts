import { createHash, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { createReader } from "../../test/archive.ts";
import { AesEntry } from "./aes-entry.ts";
import { Zip } from "./zip.ts";
import { centralRecord, encryptedSize, endRecords, localRecord } from "./zip-format.ts";

const PASSWORD = "a password of a test";

async function* inPieces(bytes: Buffer, step: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
}

test("what goes in comes out of another program, whatever its length and pieces", async () => {
  const zip = new Zip(PASSWORD, new Date("2026-11-28T07:30:00Z"));
  const parts: Buffer[] = [];
  const contents = new Map<string, Buffer>();
  for (const [n, length] of [0, 1, 15, 16, 17, 4_096, 70_001].entries()) {
    for (const step of [1_000, 16, 7]) {
      const [name, bytes] = [`${n}/${step}`, randomBytes(length)];
      contents.set(`stored/${name}`, bytes).set(`deflated/${name}`, bytes);
      for await (const part of zip.store(`stored/${name}`, length, inPieces(bytes, step))) parts.push(part);
      for await (const part of zip.deflate(`deflated/${name}`, inPieces(bytes, step))) parts.push(part);
    }
  }
  for await (const part of zip.end()) parts.push(part);
  const reader = createReader(Buffer.concat(parts), PASSWORD);
  expect(await reader.names()).toEqual([...contents.keys()]);
  for (const [name, bytes] of contents) expect(await reader.bytes(name), name).toEqual(bytes);
  expect(zip.packed.map(({ sha256 }) => sha256)).toEqual(
    [...contents.values()].map((bytes) => createHash("sha256").update(bytes).digest("hex")),
  );
});

test("an entry of another size than was said ends the archive", async () => {
  for (const said of [9, 11]) {
    const zip = new Zip(PASSWORD, new Date());
    const all = async () => await Array.fromAsync(zip.store("a", said, inPieces(Buffer.alloc(10), 4)));
    await expect(all()).rejects.toThrow(RangeError);
  }
});

test("the same content twice is two ciphertexts, each with a salt of its own", () => {
  const [one, two] = [new AesEntry(PASSWORD), new AesEntry(PASSWORD)];
  expect(one.head).not.toEqual(two.head);
  expect(one.update(Buffer.alloc(32))).not.toEqual(two.update(Buffer.alloc(32)));
});

test("past 4 GiB and 65,535 entries the records are those of ZIP64", () => {
  const size = 5 * 2 ** 30;
  const entry = {
    name: "a",
    at: new Date(),
    isDeflated: false,
    follows: false,
    size,
    storedSize: encryptedSize(size),
  };
  const local = localRecord(entry, entry);
  expect(local.readUInt32LE(18)).toBe(0xffff_ffff);
  expect(local.readBigUInt64LE(local.length - 8)).toBe(BigInt(size + 28));
  const central = centralRecord({ ...entry, offset: 6 * 2 ** 30 });
  expect(central.readBigUInt64LE(central.length - 8)).toBe(BigInt(6 * 2 ** 30));
  const end = endRecords(70_000, 7 * 2 ** 30, 1_000);
  expect(end.readUInt32LE(0)).toBe(0x06064b50);
  expect(end.readBigUInt64LE(32)).toBe(70_000n);
  expect(end.readBigUInt64LE(56 + 8)).toBe(BigInt(7 * 2 ** 30 + 1_000));
  expect(endRecords(3, 1_000, 100)).toHaveLength(22);
});
