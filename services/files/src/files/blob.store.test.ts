import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { givenDisk } from "@medvault/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BlobStore } from "./blob.store.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "medvault-blobs-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function filesUnder(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

/** Writes the pieces in turn; an error among them is thrown. */
const receive = (store: BlobStore, ...pieces: (Buffer | Error)[]) =>
  store.receive(async (to) => {
    for (const piece of pieces) {
      if (piece instanceof Error) throw piece;
      await to.write(piece, 0, piece.length, null);
    }
  });

test("a blob gets its name only when it is kept, and can be read at any place", async () => {
  const store = await BlobStore.open(root);
  const blob = await receive(store, Buffer.from("hello "), Buffer.from("world"));
  await expect(store.read(blob.name)).rejects.toThrow();
  await store.keep([blob]);
  const reader = await store.read(blob.name);
  expect([reader.bytes, (await reader.read(6, 100)).toString()]).toEqual([11, "world"]);
  await reader.close();
  await store.discard([blob.name]);
  expect(await filesUnder(root)).toEqual([]);
});

test("an upload that fails leaves nothing", async () => {
  const store = await BlobStore.open(root);
  await expect(receive(store, Buffer.alloc(100_000), new Error("cut"))).rejects.toThrow("cut");
  expect(await filesUnder(root)).toEqual([]);
});

test("a full disk keeps no half of a blob, readiness knows, and what was kept is read", async (frame) => {
  const disk = givenDisk(frame, 2);
  const store = await BlobStore.open(disk.dir);
  const kept = await receive(store, Buffer.alloc(100_000));
  await store.keep([kept]);
  await store.probe();
  disk.fill();
  await expect(receive(store, Buffer.alloc(100_000), Buffer.alloc(100_000))).rejects.toMatchObject({
    code: "ENOSPC",
  });
  await expect(store.probe()).rejects.toMatchObject({ code: "ENOSPC" });
  expect((await filesUnder(disk.dir)).sort()).toEqual([".filler", kept.name].sort());
  const reader = await store.read(kept.name);
  expect((await reader.read(0, 200_000)).length).toBe(100_000);
  await reader.close();
  disk.free();
  await store.probe();
  await store.keep([await receive(store, Buffer.alloc(100_000))]);
});

test("what a killed process was receiving is gone at the next start", async () => {
  const script = fileURLToPath(new URL("../../test/hang-in-upload.ts", import.meta.url));
  const child = spawn(process.execPath, [script, root], { stdio: "inherit" });
  await expect.poll(() => filesUnder(root), { timeout: 10_000 }).toHaveLength(1);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(await filesUnder(root)).toHaveLength(1);
  await BlobStore.open(root);
  expect(await filesUnder(root)).toEqual([]);
});

test("the sweep spares a process that lives, and another machine's upload that is under way", async () => {
  const living = join(root, "tmp", `${hostname()}.${process.ppid}.${randomUUID()}`);
  const elsewhere = join(root, "tmp", `other-host.1.${randomUUID()}`);
  const abandoned = join(root, "tmp", `other-host.2.${randomUUID()}`);
  for (const folder of [living, elsewhere, abandoned]) {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, randomUUID()), "");
  }
  const longAgo = new Date(Date.now() - 2 * 60 * 60 * 1000);
  for (const name of await readdir(abandoned)) await utimes(join(abandoned, name), longAgo, longAgo);
  await utimes(abandoned, longAgo, longAgo);
  await BlobStore.open(root);
  const left = await readdir(join(root, "tmp"));
  expect(left.filter((name) => name.startsWith("other-host"))).toEqual([elsewhere.split("/").at(-1)]);
  expect(left).toContain(living.split("/").at(-1));
});

test("a name that is no blob's is never made into a path", async () => {
  const store = await BlobStore.open(root);
  await expect(store.read("../../etc/passwd")).rejects.toThrow(RangeError);
});
