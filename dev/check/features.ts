// docs/features.md points at tests: a test that has moved away must not leave a promise behind.
import fs from "node:fs";
import path from "node:path";

const PAGE = "docs/features.md";

/** How many features of each letter the plan has. */
const PLAN = { I: 22, A: 7, R: 14, F: 6, L: 9, B: 5, E: 6, O: 5, C: 9 };

/** @returns one sentence per feature that is missing, and per test that is named and not there */
export function featureBreaches(root: string): string[] {
  const text = fs.readFileSync(path.join(root, PAGE), "utf8");
  const missing = Object.entries(PLAN)
    .flatMap(([letter, count]) => Array.from({ length: count }, (_, at) => `${letter}${at + 1}`))
    .filter((id) => !new RegExp(`\\b${id}\\b`).test(text))
    .map((id) => `${PAGE}: ${id} is missing`);
  const gone = [...text.matchAll(/`([a-z0-9-]+\/[^`]+\.test\.ts)`/g)]
    .map(([, file]) => file ?? "")
    .filter((file) => !fs.existsSync(path.join(root, file)))
    .map((file) => `${PAGE}: ${file} is not there`);
  const unshown = text
    .split("\n")
    .filter((line) => /^\| [A-Z]\d+ \| (built|part) \|/.test(line) && !line.includes(".test.ts"))
    .map((line) => `${PAGE}: ${line.slice(2, 6).trim()} is shown by no test`);
  return [...missing, ...gone, ...unshown];
}
