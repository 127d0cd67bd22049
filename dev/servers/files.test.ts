import fs from "node:fs";
import path from "node:path";
import { givenDisk } from "@medvault/testing";
import { expect, test } from "vitest";
import { givenDataDir } from "../test/harness.ts";
import { privateFile } from "./files.ts";

const SMALL = JSON.stringify({ base: 28_400 });
const LARGE = "x".repeat(64 * 1024);

test("a full disk leaves a state file as it was, and no half of a new one", (frame) => {
  const disk = givenDisk(frame, 1);
  const file = path.join(disk.dir, "ports.json");
  privateFile(file, SMALL);
  disk.fill();
  expect(() => privateFile(file, LARGE)).toThrow(/ENOSPC/);
  expect(fs.readFileSync(file, "utf8")).toBe(SMALL);
  expect(fs.readdirSync(disk.dir).sort()).toEqual([".filler", "ports.json"]);
  // What is there already needs no room: a server's configuration keeps it from no start.
  privateFile(file, SMALL);

  disk.free();
  privateFile(file, LARGE);
  expect(fs.readFileSync(file, "utf8")).toBe(LARGE);
  expect(fs.statSync(file).mode & 0o777).toBe(0o600);
});

test("a file that others may read is made again with its mode", () => {
  const file = path.join(givenDataDir(), "secrets.json");
  fs.writeFileSync(file, SMALL, { mode: 0o644 });
  privateFile(file, SMALL);
  expect(fs.statSync(file).mode & 0o777).toBe(0o600);
});
