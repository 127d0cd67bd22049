// npm run reset: removes all data, after asking.
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline/promises";
import { command } from "./lib/cli.mjs";
import { holder } from "./lib/lock.mjs";
import { askedData, dataDir } from "./lib/paths.mjs";
import { stopRunning } from "./lib/stop.mjs";
import { Trouble } from "./lib/words.mjs";

const HELP = `npm run reset [-- --yes]

Removes everything of this data directory (MEDVAULT_DATA, or .data): patients, files, keys,
backups, the audit log. Nothing can bring it back. The unpacked servers are kept.

  --yes   do not ask`;

/** Shared with other data directories, or other runs', and not data. */
const KEPT = new Set([
  "toolchain",
  "toolchain.lock",
  "chromium",
  "chromium.lock",
  "compile-cache",
  "npm-ci.lock",
  "test",
  "e2e",
]);

await command(HELP, async (args) => {
  const data = dataDir(askedData());
  if (holder(path.join(data, "lock")))
    throw new Trouble("MedVault is running: npm stop first, then npm run reset.");
  const names = fs.readdirSync(data).filter((name) => !KEPT.has(name));
  if (names.length === 0) {
    console.log("There is no data to remove.");
    return;
  }
  if (!args.includes("--yes") && !(await confirmed(data))) {
    console.log("Nothing was removed.");
    return 1;
  }
  await stopRunning(data); // what a killed run left
  for (const name of names) fs.rmSync(path.join(data, name), { recursive: true, force: true });
  console.log("All data is removed; npm start makes it new.");
});

/** @param {string} data */
async function confirmed(data) {
  if (!process.stdin.isTTY)
    throw new Trouble(
      "npm run reset asks before it removes all data: answer it in a terminal, or say npm run reset -- --yes.",
    );
  const terminal = readline.createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(
    `Remove all patients, files, keys and backups in ${data}? Type "remove" to do it: `,
  );
  terminal.close();
  return answer.trim() === "remove";
}
