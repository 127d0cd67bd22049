import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { givenFolder } from "../../test/harness.ts";
import { createDurably, writeDurably } from "./durable-file.ts";

let folder: string;
beforeEach(async () => {
  folder = await givenFolder();
});

test("a file is made with its directories, for its owner alone, and nothing lies beside it", async () => {
  const path = join(folder, "a/b/file");
  await writeDurably(path, "first");
  await writeDurably(path, Buffer.from("second"));
  expect(await readFile(path, "utf8")).toBe("second");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(join(folder, "a/b"))).mode & 0o777).toBe(0o700);
  expect(await readdir(join(folder, "a/b"))).toEqual(["file"]);
});

test("a file that is to be new never replaces one, and a fault is not taken for one that is there", async () => {
  const path = join(folder, "file");
  expect(await createDurably(path, "first")).toBe(true);
  expect(await createDurably(path, "second")).toBe(false);
  expect(await readFile(path, "utf8")).toBe("first");
  expect(await readdir(folder)).toEqual(["file"]);
  await expect(createDurably(join(path, "under a file"), "third")).rejects.toThrow(/EEXIST|ENOTDIR/);
});

test("a write that fails leaves the old file and no draft", async () => {
  const path = join(folder, "taken");
  await createDurably(join(path, "inside"), "kept"); // a directory in the file's place
  await expect(writeDurably(path, "new")).rejects.toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
  expect(await readdir(folder)).toEqual(["taken"]);
});
