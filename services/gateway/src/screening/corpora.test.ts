import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { isScanner } from "./scanner-agents.ts";
import { threatIn } from "./threat.ts";

/** Public corpora of attacks, and of harmless text like them (threat.test.ts has more). */
const shared = new URL("../../../../../shared/data/", import.meta.url);
const lines = <T>(file: string): T[] =>
  readFileSync(new URL(file, shared), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as T);
const found = test.runIf(existsSync(shared));

const share = (values: readonly string[], hit: (value: string) => boolean) =>
  values.filter(hit).length / values.length;
const screened = (value: string) => threatIn(value) !== null;

found.for(["sqli", "xss", "traversal"])("of the published %s payloads at least 95 % are found", (kind) => {
  const payloads = lines<{ payload: string }>(`payloads/${kind}.jsonl`).map(({ payload }) => payload);
  expect(payloads.length).toBeGreaterThan(500);
  expect(share(payloads, screened)).toBeGreaterThan(0.95);
});

found("of what other engines took for SQL injection at most 1 % is refused, of names none", () => {
  const innocent = lines<{ text: string }>("benign/libinjection_fp.jsonl").map(({ text }) => text);
  expect(share(innocent, screened)).toBeLessThanOrEqual(0.01);
  expect(lines<{ name: string }>("benign/names.jsonl").filter(({ name }) => screened(name))).toEqual([]);
});

found("no modern browser is refused, at least 95 % of scanners are", () => {
  const browsers = lines<{ ua: string }>("useragents/modern_browsers.jsonl").map(({ ua }) => ua);
  expect(browsers.filter((ua) => isScanner(ua) || screened(ua))).toEqual([]);
  const older = lines<{ ua: string }>("useragents/popular_legacy.jsonl").map(({ ua }) => ua);
  expect(older.filter((ua) => isScanner(ua) || screened(ua))).toEqual([]);
  const scanners = lines<{ ua_substring: string }>("useragents/scanner_substrings.jsonl");
  expect(
    share(
      scanners.map(({ ua_substring }) => ua_substring),
      isScanner,
    ),
  ).toBeGreaterThanOrEqual(0.95);
});
