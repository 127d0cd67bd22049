// dependency-cruiser over the tree, after a proof that it would see a breach.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { run } from "../lib/run.mjs";

/** A tree in which each rule is broken once. */
const PLANTED: Readonly<Record<string, string>> = {
  "libs/crypto/src/a.ts": 'import { b } from "../../keys/src/operations/index.ts";\nexport const a = b;',
  "libs/keys/src/operations/index.ts":
    'export type { c } from "../../../contracts/src/index.ts";\nexport const b = 1;',
  "libs/contracts/src/index.ts":
    'import { d } from "../../../services/auth/src/d.ts";\nexport type c = typeof d;',
  "services/auth/src/d.ts": 'import type { E } from "../../audit/src/e.ts";\nexport const d: E = 1;',
  "services/audit/src/e.ts": 'import "../../../libs/testing/src/index.ts";\nexport type E = number;',
  "services/audit/src/h.ts": 'export { exec } from "node:child_process";',
  "services/audit/src/f.ts": 'export * from "../../../libs/crypto/src/a.ts";',
  "libs/log-verifier/src/v.mjs": 'import { x } from "../../../services/audit/src/e.ts";\nexport const v = x;',
  "services/audit/src/w.ts": 'export { v } from "../../../libs/log-verifier/src/v.mjs";',
  "dev/c.ts": 'export * from "../services/auth/src/d.ts";',
  "services/audit/src/g.ts": 'export * from "../../../libs/keys/src/operations/index.ts";',
  "tools/b.ts": 'export * from "../dev/c.ts";',
  "libs/testing/src/index.ts": 'import { h } from "./h.ts";\nexport const g = h;',
  "services/audit/src/one/k.ts": 'import { l, type m } from "../two/l.ts";\nexport const k: m = l;',
  "services/audit/src/two/l.ts": "export type m = number;\nexport const l = 1;",
  "services/audit/src/two/n.ts": 'import { k } from "../one/k.ts";\nexport const n = k;',
  "libs/testing/src/h.ts": 'import { g } from "./index.ts";\nimport "./nowhere.ts";\nexport const h = g;',
};
const BROKEN = [
  ...["lib-crypto", "lib-keys", "lib-to-service", "service-to-service", "testing-in-tests-only"],
  ...["only-the-front-door", "services-by-declared-entries", "operations-for-commands", "tools-without-dev"],
  ...["starts-no-program", "no-cycles", "no-mutual-folders", "unresolvable"],
  ...["verifiers-stand-alone", "writer-without-verifier"],
];

interface Cruise {
  modules: { source: string; dependencies: { resolved: string; dependencyTypes: string[] }[] }[];
  summary: { violations: Breach[]; totalCruised: number };
}

interface Breach {
  rule: { name: string };
  from: string;
  to: string;
}

/** @returns one sentence per breach; also when the tool cannot see breaches at all */
export async function importBreaches(root: string): Promise<string[]> {
  const unseen = await unseenBreaches(root);
  if (unseen.length > 0) return [`dependency-cruiser does not see planted breaches of ${unseen.join(", ")}`];
  const tops = ["libs", "services", "tools", "dev", "e2e", "bench"].filter((top) =>
    fs.existsSync(path.join(root, top)),
  );
  const breaches = breachesIn(await cruise(root, root, tops));
  return breaches.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`);
}

function breachesIn(cruised: Cruise): Breach[] {
  return [...cruised.summary.violations, ...mutualFolders(cruised)];
}

/**
 * Folders of one service that import each other's values are one folder, or hold what belongs below both
 * (types may go both ways: they are gone when it runs). dependency-cruiser's folders do not tell values
 * from types, so it is done here.
 */
function mutualFolders({ modules }: Cruise): Breach[] {
  const imports = new Map<string, Breach>();
  for (const { source, dependencies } of modules) {
    const from = folderOf(source);
    for (const { resolved, dependencyTypes } of dependencies) {
      const to = folderOf(resolved);
      if (from === null || to === null || from === to || dependencyTypes.includes("type-only")) continue;
      imports.set(`${from} ${to}`, { rule: { name: "no-mutual-folders" }, from: source, to: resolved });
    }
  }
  return [...imports].flatMap(([pair, breach]) => {
    const back = pair.split(" ").reverse().join(" ");
    return imports.has(back) ? [breach] : [];
  });
}

/** The folder of a service's own source; null for its tests and for everything else. */
function folderOf(file: string): string | null {
  const isOwn = /^services\/[^/]+\/src\//.test(file) && !/\.(test|testdata)\.ts$/.test(file);
  return isOwn ? path.posix.dirname(file) : null;
}

/** The rules whose planted breach goes unseen; none, if the tool works. */
export async function unseenBreaches(root: string): Promise<string[]> {
  const fixture = fs.mkdtempSync(path.join(os.tmpdir(), "medvault-imports-"));
  try {
    for (const [file, text] of Object.entries(PLANTED)) {
      fs.mkdirSync(path.dirname(path.join(fixture, file)), { recursive: true });
      fs.writeFileSync(path.join(fixture, file), text);
    }
    const breaches = breachesIn(await cruise(root, fixture, ["libs", "services", "tools"]));
    const seen = new Set(breaches.map(({ rule }) => rule.name));
    return BROKEN.filter((rule) => !seen.has(rule));
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
