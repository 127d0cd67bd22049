// Runs under Node 24: every check, one after the other, and a summary. Exactly what CI runs.
import fs from "node:fs";
import path from "node:path";
import { featureBreaches } from "../check/features.ts";
import { houseRuleBreaches } from "../check/house-rules.ts";
import { importBreaches } from "../check/import-rules.ts";
import { migrationBreaches } from "../check/migrations.ts";
import { complianceBreaches } from "../compliance/compliance.ts";
import { root } from "../lib/paths.mjs";
import { type Ran, run } from "../lib/run.mjs";
import { seconds } from "../lib/words.mjs";

const bin = path.join(root, "node_modules/.bin");
const env = {
  ...process.env,
  PATH: `${bin}:${process.env.PATH}`,
  TURBO_TELEMETRY_DISABLED: "1",
  NO_COLOR: "1",
};

/** Each gives the breaches that it found: none is a pass. */
const CHECKS: { name: string; find: () => Promise<string[]> }[] = [
  {
    name: "types and lint (turbo: tsc, biome; cached)",
    find: async () => {
      const args = ["run", "typecheck", "lint", "--continue", "--ui=stream", "--output-logs=errors-only"];
      return outputOf(await run(path.join(bin, "turbo"), args, { cwd: root, env }));
    },
  },
  { name: "import directions (dependency-cruiser)", find: () => importBreaches(root) },
  {
    name: "unused files, exports and dependencies (knip)",
    find: async () =>
      outputOf(await run(path.join(bin, "knip"), ["--no-progress", "--no-config-hints"], { cwd: root, env })),
  },
  {
    name: "house rules (lengths, names, pure rules, comments, process.env, shortcuts)",
    find: async () => houseRuleBreaches(root),
  },
  { name: "migrations run beside the version before", find: async () => migrationBreaches(root) },
  { name: "docs/features.md points at tests that are there", find: async () => featureBreaches(root) },
  {
    name: "docs/compliance.md answers every requirement, by tests that are there and run",
    find: async () => complianceBreaches(root),
  },
];

/** What a tool said, when it was not content. */
function outputOf({ code, out, words }: Ran): string[] {
  return code === 0
    ? []
    : `${out}\n${words}`.split("\n").filter((line) => line.trim() && !/^npm (warn|notice)/.test(line));
}

let failed = 0;
for (const { name, find } of CHECKS) {
  const since = Date.now();
  const breaches = await find().catch((error: Error) => [error.message]);
  console.log(`${breaches.length === 0 ? "✓" : "✗"} ${name} (${seconds(since)})`);
  for (const breach of breaches) console.log(`    ${breach}`);
  if (breaches.length > 0) failed += 1;
}
console.log(`check: ${CHECKS.length - failed} passed, ${failed} failed`);
const summary = process.env.MEDVAULT_CHECK_JSON;
if (summary) fs.writeFileSync(summary, JSON.stringify({ passed: CHECKS.length - failed, failed }));
process.exitCode = failed === 0 ? 0 : 1;
process.disconnect?.();
