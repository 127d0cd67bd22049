import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { Trouble } from "../lib/words.mjs";
import { givenDataDir, givenPrograms } from "../test/harness.ts";
import { STAMP, unpackDebian } from "./debian.ts";

/** An apt-get that plans and downloads one package, and a dpkg-deb that unpacks a file from it. */
function givenApt(data: string, apt: string): void {
  givenPrograms(data, {
    "apt-get": apt,
    "dpkg-deb": 'mkdir -p "$3/usr/bin" && echo whole > "$3/usr/bin/server"',
  });
}

const APT =
  'case "$*" in *" -s "*) echo "Inst libllvm19 (1)"; echo "Inst server (2 now)";; *download*server) touch server.deb;; esac';
const never = new AbortController().signal;

test("a half-unpacked toolchain is thrown away and made whole", async () => {
  const data = givenDataDir();
  givenApt(data, APT);
  const dir = path.join(data, "toolchain");
  for (const half of [dir, `${dir}.partial`]) {
    fs.mkdirSync(path.join(half, "root/usr/bin"), { recursive: true });
    fs.writeFileSync(path.join(half, "root/usr/bin/half"), "");
  }
  await unpackDebian(dir, ["server"], () => {}, never);
  expect(fs.readdirSync(path.join(dir, "root/usr/bin"))).toEqual(["server"]);
  expect(fs.existsSync(path.join(dir, STAMP))).toBe(true);
  expect(fs.existsSync(`${dir}.partial`)).toBe(false);
});

test("no network is one sentence that says what to do, and leaves nothing that looks whole", async () => {
  const data = givenDataDir();
  givenApt(data, 'echo "E: Unable to fetch some archives" >&2; exit 100');
  const dir = path.join(data, "toolchain");
  const failure = unpackDebian(dir, ["server"], () => {}, never);
  await expect(failure).rejects.toThrow(Trouble);
  await expect(failure).rejects.toThrow(
    /could not be had \(E: Unable to fetch some archives\): check the network/,
  );
  expect(fs.existsSync(dir)).toBe(false);
});
