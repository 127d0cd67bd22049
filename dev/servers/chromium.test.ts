import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { givenDataDir, givenPrograms } from "../test/harness.ts";
import { chromium } from "./chromium.ts";

/** What no machine has. */
const NONE = ["medvault-no-such-browser"];

test("the machine's own Chromium is taken, and nothing is fetched", async () => {
  const data = givenDataDir();
  givenPrograms(data, { chromium: "" });
  const found = await chromium(path.join(data, "chromium"), () => {});
  expect(found).toEqual({ executable: path.join(data, "bin/chromium"), libraries: "" });
});

test("a machine without one gets Debian's, unpacked beside the data and once", async () => {
  const data = givenDataDir();
  const program = "usr/lib/chromium/chromium";
  givenPrograms(data, {
    "apt-get":
      'case "$*" in *" -s "*) echo "Inst chromium (1)";; *download*chromium) : >> chromium.deb; echo got >> "$0.log";; esac',
    "dpkg-deb": `mkdir -p "$3/usr/lib/chromium" && echo > "$3/${program}" && chmod +x "$3/${program}"`,
  });
  const dir = path.join(data, "chromium");
  const expected = { executable: path.join(dir, "root", program), libraries: expect.any(String) };
  const [first, second] = await Promise.all([chromium(dir, () => {}, NONE), chromium(dir, () => {}, NONE)]);
  expect([first, second]).toEqual([expected, expected]);
  expect(fs.readFileSync(path.join(data, "bin/apt-get.log"), "utf8")).toBe("got\n");
});

test("where there is none to be had, one sentence says what to do", async () => {
  const data = givenDataDir();
  givenPrograms(data, { "apt-get": 'echo "E: no network" >&2; exit 100', "dpkg-deb": "" });
  await expect(chromium(path.join(data, "chromium"), () => {}, NONE)).rejects.toThrow(
    /could not be had \(E: no network\)/,
  );
});
