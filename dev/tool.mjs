// npm run import, migrate-in, keys, token, parked, audit:alerts, audit:heal, restore-row, records:verify,
// sessions:cleanup, migrate: runs a TypeScript command under Node 24, also when called by an older Node.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { NODE_FLAGS } from "./lib/cli.mjs";
import { root } from "./lib/paths.mjs";
import { modernNode } from "./lib/prepare.mjs";

const [name = "", ...args] = process.argv.slice(2);
if (fs.existsSync(path.join(root, "node_modules"))) {
  const file = path.join(root, "tools", `${name}.ts`);
  const { status } = spawnSync(modernNode(), [...NODE_FLAGS, file, ...args], { stdio: "inherit" });
  process.exitCode = status ?? 1;
} else {
  console.error(`${name}: nothing is installed yet; run npm start first, which does it.`);
  process.exitCode = 1;
}
