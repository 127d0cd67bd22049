import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { givenDisk } from "@medvault/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createOutsideDirectory, type OutsideStore } from "./outside.store.ts";

const id = (n: number) => `0197a000-0000-7000-8000-${String(n).padStart(12, "0")}`;
const hashes = (count: number, fill = 1) =>
  Array.from({ length: count }, (_, at) => Buffer.alloc(32, fill + at));
const body = (n: number) => ({ id: id(n), sealed: Buffer.from(`sealed ${n}`) });

const EPOCH = 1;

let dir = "";
let outside: OutsideStore;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "medvault-outside-"));
  outside = createOutsideDirectory(join(dir, "made/by/itself"));
  await outside.takeOver(EPOCH);
});
afterEach(() => rm(dir, { recursive: true }));

test("an empty store has nothing, and says so without an error", async () => {
  expect(await outside.readCheckpoint()).toBeNull();
  expect(await outside.readVkey()).toBeNull();
  expect(await outside.readBodies(0)).toEqual([]);
  await expect(outside.readTile(0, 0, 1)).rejects.toThrow("tile 0/000.p/1 is missing");
});

test("what is written is read back, for its owner alone, and nothing lies aside afterwards", async () => {
  await outside.writeCheckpoint(EPOCH, "note\n");
  await outside.writeCheckpoint(EPOCH, "note 2\n");
  expect(await outside.readCheckpoint()).toBe("note 2\n");
  const root = join(dir, "made/by/itself");
  expect(await readdir(root)).toEqual([".writer", "checkpoint"]);
  expect((await stat(join(root, "checkpoint"))).mode & 0o777).toBe(0o600);
  expect((await stat(root)).mode & 0o777).toBe(0o700);
});

test("partial tiles go when the full one is there, and are then read from its head", async () => {
  await outside.writeTile(EPOCH, { level: 0, index: 1_234_067, hashes: hashes(3) });
  expect(await outside.readTile(0, 1_234_067, 3)).toEqual(hashes(3));
  const full = hashes(256);
  await outside.writeTile(EPOCH, { level: 0, index: 1_234_067, hashes: full });
  const folder = join(dir, "made/by/itself/tile/0/x001/x234");
  expect(await readdir(folder)).toEqual(["067"]);
  expect(await readFile(join(folder, "067"))).toEqual(Buffer.concat(full));
  expect(await outside.readTile(0, 1_234_067, 3)).toEqual(full.slice(0, 3));
});

test("a tile that was cut is refused", async () => {
  await outside.writeTile(EPOCH, { level: 1, index: 0, hashes: hashes(5) });
  await truncate(join(dir, "made/by/itself/tile/1/000.p/5"), 100);
  await expect(outside.readTile(1, 0, 5)).rejects.toThrow("is cut");
});

test("on a full disk nothing is half replaced, and what a torn write left is written over", async (frame) => {
  const disk = givenDisk(frame, 1);
  const store = createOutsideDirectory(disk.dir);
  await store.takeOver(EPOCH);
  const large = (n: number) => ({ id: id(n), sealed: Buffer.alloc(6_000, n) });
  await store.writeCheckpoint(EPOCH, "note\n");
  await store.writeBodies(EPOCH, 0, 0, [large(1)]);
  disk.fill();
  await expect(store.writeBodies(EPOCH, 0, 1, [large(2), large(3)])).rejects.toMatchObject({
    code: "ENOSPC",
  });
  await expect(store.writeCheckpoint(EPOCH, "note 2\n".padEnd(8_192))).rejects.toMatchObject({
    code: "ENOSPC",
  });
  await expect(store.writeTile(EPOCH, { level: 0, index: 0, hashes: hashes(256) })).rejects.toMatchObject({
    code: "ENOSPC",
  });
  expect(await store.readCheckpoint()).toBe("note\n");
  expect((await store.readBodies(0)).slice(0, 1)).toEqual([large(1)]);
  const left = await readdir(disk.dir, { recursive: true });
  expect(left.filter((name) => name.endsWith(".tmp"))).toEqual([]);

  disk.free();
  await store.writeBodies(EPOCH, 0, 1, [large(2), large(3)]);
  expect(await store.readBodies(0)).toEqual([large(1), large(2), large(3)]);
});

test("bodies are added behind those that are kept; a torn end is written over", async () => {
  await outside.writeBodies(EPOCH, 0, 0, [body(1), body(2)]);
  const file = join(dir, "made/by/itself/bodies/000");
  await writeFile(file, Buffer.concat([await readFile(file), Buffer.alloc(25, 0xff)]));
  expect(await outside.readBodies(0)).toEqual([body(1), body(2)]);
  await outside.writeBodies(EPOCH, 0, 2, [body(3)]);
  expect(await outside.readBodies(0)).toEqual([body(1), body(2), body(3)]);
  await outside.writeBodies(EPOCH, 0, 1, [body(2), body(3), body(4)]);
  await outside.writeBodies(EPOCH, 0, 0, [body(1), body(2)]); // a straggler that does not know of the others
  expect(await outside.readBodies(0)).toEqual([body(1), body(2), body(3), body(4)]);
});

test("bodies that should be kept and are not there are refused, not papered over", async () => {
  await outside.writeBodies(EPOCH, 0, 0, [body(1)]);
  await expect(outside.writeBodies(EPOCH, 0, 2, [body(3)])).rejects.toThrow("bundle 0 of bodies is cut");
});

test("once another has taken the store over, a writer puts nothing in place any more", async () => {
  await outside.writeCheckpoint(EPOCH, "note\n");
  await outside.writeBodies(EPOCH, 0, 0, [body(1)]);
  await outside.takeOver(EPOCH + 1);
  const taken = { name: "OutsideTaken" };
  await expect(outside.writeCheckpoint(EPOCH, "note 2\n")).rejects.toMatchObject(taken);
  await expect(outside.writeTile(EPOCH, { level: 0, index: 0, hashes: hashes(3) })).rejects.toMatchObject(
    taken,
  );
  await expect(outside.writeBodies(EPOCH, 0, 1, [body(2)])).rejects.toMatchObject(taken);
  expect(await outside.readCheckpoint()).toBe("note\n");
  expect(await outside.readBodies(0)).toEqual([body(1)]);
  await outside.writeCheckpoint(EPOCH + 1, "note 3\n");
});
