// House rules (CONTRIBUTING.md) that no other tool knows. A rule without a check is a wish.
import fs from "node:fs";
import path from "node:path";
import { nameBreaches, purityBreaches, undeclaredParts } from "./file-grammar.ts";

const MAX_FILE_LINES = 300;
/** A journey told in one file may be longer than what it tests. */
const MAX_TEST_LINES = 400;
const MAX_MAIN_LINES = 40;
/** Code may have 110, which the formatter sees to; prose that wide is hard to read. */
const MAX_COMMENT_COLUMNS = 100;
const COMMENT = /^\s*(\/\/|\/\*|\*)/;
/** Made by a program. */
const GENERATED = "libs/client/src/schema.ts";

/** Words that switch a check off, or promise to do later what the rule asks for now. */
const SHORTCUTS =
  /@ts-ignore|@ts-nocheck|biome-ignore|\b(?:test|it|describe)\.(?:only|skip)\b|\b(?:TODO|FIXME)\b/;

/**
 * Checks the sources under `root`.
 * @returns one sentence per breach, naming file and line
 */
export function houseRuleBreaches(root: string): string[] {
  const files = sources(root);
  const textOf = (file: string) => fs.readFileSync(path.join(root, file), "utf8");
  const inside = files.flatMap((file) => {
    const text = textOf(file);
    const lines = text.split("\n");
    return [
      ...lengthBreaches(file, lines.length),
      ...lineBreaches(file, lines),
      ...widthBreaches(file, lines),
      ...purityBreaches(file, text),
    ];
  });
  return [...nameBreaches(files), ...undeclaredParts(files, textOf), ...inside];
}

function lengthBreaches(file: string, count: number): string[] {
  if (/^services\/[^/]+\/src\/main\.ts$/.test(file) && count > MAX_MAIN_LINES) {
    return [`${file}: ${count} lines, a main has at most ${MAX_MAIN_LINES}`];
  }
  if (file === GENERATED || /\.testdata\.ts$/.test(file)) return []; // tables
  const most = /\.test\.ts$/.test(file) ? MAX_TEST_LINES : MAX_FILE_LINES;
  return count > most ? [`${file}: ${count} lines, at most ${most}`] : [];
}

function lineBreaches(file: string, lines: string[]): string[] {
  const mayReadEnvironment =
    !/^(libs|services)\//.test(file) || /^libs\/testing\//.test(file) || /(\/config|\.test)\.ts$/.test(file);
  const mayNameShortcuts = file.startsWith("dev/check/");
  return lines.flatMap((line, at) => {
    const place = `${file}:${at + 1}`;
    const breaches: string[] = [];
    if (!mayReadEnvironment && /^(?!\s*(\/\/|\*|\/\*)).*\bprocess\.env\b/.test(line)) {
      breaches.push(`${place}: process.env is read in config.ts alone`);
    }
    const shortcut = mayNameShortcuts ? null : SHORTCUTS.exec(line);
    if (shortcut) breaches.push(`${place}: ${shortcut[0]} stands here`);
    return breaches;
  });
}

function widthBreaches(file: string, lines: string[]): string[] {
  if (!/^(services|libs)\//.test(file) || file === GENERATED) return [];
  return lines.flatMap((line, at) =>
    COMMENT.test(line) && line.length > MAX_COMMENT_COLUMNS
      ? [`${file}:${at + 1}: a comment of ${line.length} columns, at most ${MAX_COMMENT_COLUMNS}`]
      : [],
  );
}

/** Files written by hand, as paths relative to the root. */
function sources(root: string): string[] {
  const found: string[] = [];
  for (const top of ["libs", "services", "tools", "dev", "e2e", "bench"]) {
    const dir = path.join(root, top);
    if (!fs.existsSync(dir)) continue;
    for (const name of fs.readdirSync(dir, { recursive: true, encoding: "utf8" })) {
      const file = `${top}/${name}`;
      if (/\.(ts|mjs)$/.test(file) && !/(^|\/)node_modules\//.test(file)) found.push(file);
    }
  }
  return found.sort();
}
