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

test("a name outside the grammar, a test away from its code and a folder of one file are named", () => {
  const tree = givenTree({
    "services/auth/src/users/userStore.ts": "",
    "services/auth/src/users/user.helper.ts": "",
    "services/auth/src/users/user.store.test.ts": "",
    "services/auth/src/Mfa/totp.ts": "",
    "services/auth/src/Mfa/totp.errors.ts": "",
    "services/auth/src/lockout/lockout.store.ts": "",
    "services/auth/src/lockout/lockout.store.test.ts": "",
    "services/auth/test/sign-in.test.ts": "",
    "libs/keys/src/key_file.ts": "",
    "libs/keys/src/index.ts": "",
  });
  const named = houseRuleBreaches(tree).map((breach) => breach.split(":")[0]);
  expect(named).toEqual([
    "libs/keys/src/key_file.ts",
    "services/auth/src/Mfa/totp.errors.ts",
    "services/auth/src/Mfa/totp.ts",
    "services/auth/src/users/user.helper.ts",
    "services/auth/src/users/userStore.ts",
    "services/auth/test/sign-in.test.ts",
    "services/auth/src/lockout",
  ]);
});

test("routes, jobs and consumers that their service does not declare are named: they never run", () => {
  const tree = givenTree({
    "services/auth/src/service.ts": 'import { userRoutes } from "./users/user.routes.ts";\n',
    "services/auth/src/users/user.routes.ts": "",
    "services/auth/src/users/user.jobs.ts": "",
    "services/auth/src/users/user.consumers.ts": "",
  });
  expect(houseRuleBreaches(tree)).toEqual([
    "services/auth/src/users/user.consumers.ts: service.ts does not import it, so it never runs",
    "services/auth/src/users/user.jobs.ts: service.ts does not import it, so it never runs",
  ]);
});

test("a bare noun of a service that reaches outside is named, by each import", () => {
  const reaching = [
    'import { readFile } from "node:fs/promises";',
    'import type pg from "pg";',
    'import { type Db, type Tx } from "@medvault/postgres";',
    'import { isIP } from "node:net";',
    'import {\n  ddl,\n  type Tx as T,\n} from "@medvault/postgres";',
    'import * as store from "./lockout.store.ts";',
    'import "express";',
    'export { find } from "./user.service.ts";',
  ].join("\n");
  const tree = givenTree({
    "services/auth/src/lockout/lockout.ts": reaching,
    "services/auth/src/lockout/lockout.service.ts": reaching,
    "services/auth/src/service.ts": reaching,
    "libs/keys/src/pool.ts": reaching,
  });
  const named = houseRuleBreaches(tree).map((breach) => breach.replace(/ a bare .* imports /, " "));
  expect(named).toEqual([
    "services/auth/src/lockout/lockout.ts: node:fs/promises",
    "services/auth/src/lockout/lockout.ts: @medvault/postgres",
    "services/auth/src/lockout/lockout.ts: ./lockout.store.ts",
    "services/auth/src/lockout/lockout.ts: express",
    "services/auth/src/lockout/lockout.ts: ./user.service.ts",
  ]);
});

test("a comment wider than 100 columns is named; code and what is generated may be wider", () => {
  const wide = "x".repeat(100);
  const tree = givenTree({
    "services/auth/src/main.ts": `/** ${wide} */\n  // ${wide}\nconst text = "${wide}"; // beside code\n`,
    "libs/client/src/schema.ts": `// ${wide}\n`,
    "tools/a.ts": `// ${wide}\n`,
  });
  expect(houseRuleBreaches(tree)).toEqual([
    "services/auth/src/main.ts:1: a comment of 107 columns, at most 100",
    "services/auth/src/main.ts:2: a comment of 105 columns, at most 100",
  ]);
});

test("the import rules see every planted breach", async () => {
  expect(await unseenBreaches(root)).toEqual([]);
}, 60_000);
