// dependency-cruiser over the tree, after a proof that it would see a breach.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { run } from "../lib/run.ts";

/** A tree in which each rule is broken once, and by which rule. */
const PLANTED: { rule: string; file: string; text: string }[] = [
  {
    rule: "lib-crypto",
    file: "libs/crypto/src/a.ts",
    text: 'import { b } from "../../keys/src/operations/index.ts";\nexport const a = b;',
  },
  {
    rule: "lib-keys",
    file: "libs/keys/src/operations/index.ts",
    text: 'export type { c } from "../../../contracts/src/index.ts";\nexport const b = 1;',
  },
  {
    rule: "lib-to-service",
    file: "libs/contracts/src/index.ts",
    text: 'import { d } from "../../../services/auth/src/d.ts";\nexport type c = typeof d;',
  },
  {
    rule: "service-to-service",
    file: "services/auth/src/d.ts",
    text: 'import type { E } from "../../audit/src/e.ts";\nexport const d: E = 1;',
  },
  {
    rule: "testing-in-tests-only",
    file: "services/audit/src/e.ts",
    text: 'import "../../../libs/testing/src/index.ts";\nexport type E = number;',
  },
  {
    rule: "only-the-front-door",
    file: "services/audit/src/f.ts",
    text: 'export * from "../../../libs/crypto/src/a.ts";',
  },
  {
    rule: "services-by-declared-entries",
    file: "tools/a.ts",
    text: 'export * from "../services/auth/src/d.ts";',
  },
  {
    rule: "operations-for-commands",
    file: "services/audit/src/g.ts",
    text: 'export * from "../../../libs/keys/src/operations/index.ts";',
  },
  {
    rule: "no-cycles",
    file: "libs/testing/src/index.ts",
    text: 'import { h } from "./h.ts";\nexport const g = h;',
  },
  {
    rule: "unresolvable",
    file: "libs/testing/src/h.ts",
    text: 'import { g } from "./index.ts";\nimport "./nowhere.ts";\nexport const h = g;',
  },
];

interface Cruise {
  summary: { violations: { rule: { name: string }; from: string; to: string }[]; totalCruised: number };
}

/** @returns one sentence per breach; also when the tool cannot see breaches at all */
export async function importBreaches(root: string): Promise<string[]> {
  const unseen = await unseenBreaches(root);
  if (unseen.length > 0) return [`dependency-cruiser does not see planted breaches of ${unseen.join(", ")}`];
  const tops = ["libs", "services", "tools", "dev", "e2e", "bench"].filter((top) =>
    fs.existsSync(path.join(root, top)),
  );
  const { summary } = await cruise(root, root, tops);
  return summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`);
}

/** The rules whose planted breach goes unseen; none, if the tool works. */
export async function unseenBreaches(root: string): Promise<string[]> {
  const fixture = fs.mkdtempSync(path.join(os.tmpdir(), "medvault-imports-"));
  try {
    for (const { file, text } of PLANTED) {
      fs.mkdirSync(path.dirname(path.join(fixture, file)), { recursive: true });
      fs.writeFileSync(path.join(fixture, file), text);
    }
    const { summary } = await cruise(root, fixture, ["libs", "services", "tools"]);
    const seen = new Set(summary.violations.map(({ rule }) => rule.name));
    return PLANTED.map(({ rule }) => rule).filter((rule) => !seen.has(rule));
  } finally {
    fs.rmSync(fixture, { recursive: true, force: true });
  }
}

async function cruise(root: string, cwd: string, tops: string[]): Promise<Cruise> {
  const tool = path.join(root, "node_modules/dependency-cruiser/bin/dependency-cruiser.mjs");
  const config = path.join(root, ".dependency-cruiser.mjs");
  const { out, words } = await run(
    process.execPath,
    [tool, "--config", config, "--output-type", "json", ...tops],
    { cwd },
  );
  try {
    return JSON.parse(out) as Cruise;
  } catch {
    throw new Error(`dependency-cruiser said no JSON: ${words.slice(-500)}`);
  }
}
