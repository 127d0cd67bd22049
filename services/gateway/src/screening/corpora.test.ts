import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { isScanner } from "./scanner-agents.ts";
import { threatIn } from "./threat.ts";

/** Public corpora of attacks and of innocents that look like them; where they are absent, threat.test.ts has its own. */
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

interface CrsCase {
  rule: number;
  uri: string;
  headers: Record<string, string>;
  data: string | null;
}

/** What a case of the Core Rule Set sends: parts of its path, names and values of its query and form, its headers. */
function valuesOf({ uri, data, headers }: CrsCase): string[] {
  const [path = "", query = ""] = uri.split(/\?(.*)/s);
  const pairs = [query, data ?? ""]
    .flatMap((form) => form.split("&"))
    .flatMap((pair) => pair.split(/=(.*)/s));
  const sent = Object.values(headers).filter(
    (value) => !/CRS test agent|^localhost$|^[a-z]+\/|^\*/.test(value),
  );
  const raw = [path, ...path.split("/"), ...pairs, ...sent, data ?? ""].filter(Boolean);
  return [...raw, ...raw.map(decodedForm)];
}

function decodedForm(value: string): string {
  try {
    return decodeURIComponent(value.replaceAll("+", " "));
  } catch {
    return value;
  }
}

found.for([
  ["930", "local files"],
  ["941", "cross-site scripting"],
  ["942", "SQL injection"],
] as const)("of the Core Rule Set's own attacks %s (%s) at least 90 % are found", ([group]) => {
  const cases = lines<CrsCase>("crs/attack.jsonl").filter(({ rule }) => String(rule).startsWith(group));
  expect(cases.length).toBeGreaterThan(10);
  const hits = cases.filter((attack) => valuesOf(attack).some(screened));
  expect(hits.length / cases.length).toBeGreaterThanOrEqual(0.9);
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
