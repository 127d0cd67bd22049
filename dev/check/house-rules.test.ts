import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { root } from "../lib/paths.mjs";
import { givenDataDir } from "../test/harness.ts";
import { houseRuleBreaches } from "./house-rules.ts";
import { unseenBreaches } from "./import-rules.ts";

function givenTree(files: Record<string, string>): string {
  const tree = givenDataDir();
  for (const [file, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(tree, file)), { recursive: true });
    fs.writeFileSync(path.join(tree, file), text);
  }
  return tree;
}

test("each breach is named with its file and line", () => {
  const tree = givenTree({
    "services/auth/src/main.ts": "\n".repeat(40),
    "services/auth/src/config.ts": "export const env = process.env;\n",
    "services/auth/src/login.ts": "// process.env is not read here\nconst port = process.env.PORT;\n",
    "libs/keys/src/long.ts": "\n".repeat(300),
    "libs/keys/src/later.test.ts": ["test", "skip"].join("."),
  });
  expect(houseRuleBreaches(tree)).toEqual([
    "libs/keys/src/later.test.ts:1: test.skip stands here",
    "libs/keys/src/long.ts: 301 lines, at most 300",
    "services/auth/src/login.ts:2: process.env is read in config.ts alone",
    "services/auth/src/main.ts: 41 lines, a main has at most 40",
  ]);
});

test("the import rules see every planted breach", async () => {
  expect(await unseenBreaches(root)).toEqual([]);
}, 60_000);
