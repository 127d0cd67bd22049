import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { readLogo } from "./letterhead.store.ts";

const dir = mkdtempSync(path.join(tmpdir(), "medvault-logo-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function given(bytes: Buffer): string {
  const file = path.join(dir, "logo");
  writeFileSync(file, bytes);
  return file;
}

/** The beginning of a PNG of this size. */
function png(width: number, height: number): Buffer {
  const header = Buffer.concat([Buffer.from("89504e470d0a1a0a0000000d49484452", "hex"), Buffer.alloc(17)]);
  header.writeUInt32BE(width, 16);
  header.writeUInt32BE(height, 20);
  return header;
}

const JPEG = Buffer.from("ffd8ffe000104a46494600010100000100010000ffc0000b08003c00500103011100ffd9", "hex");

test("a PNG or a JPEG is a logo", () => {
  expect(readLogo(given(png(600, 200)))).toHaveLength(33);
  expect(readLogo(given(JPEG))).toHaveLength(JPEG.length);
});

test.each([
  ["must be a PNG or JPEG image", Buffer.from("<svg onload='x'/>")],
  ["must be a PNG or JPEG image", Buffer.alloc(0)],
  ["must have 2000 pixels a side at most", png(60_000, 60_000)],
  ["must have 2000 pixels a side at most", png(0, 10)],
  ["must have 512 KiB at most", Buffer.alloc(512 * 1024 + 1)],
])("threat: a file that is no fit logo: %s", (message, bytes) => {
  expect(() => readLogo(given(bytes))).toThrow(message);
});
