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
    file: "dev/c.ts",
    text: 'export * from "../services/auth/src/d.ts";',
  },
  {
    rule: "operations-for-commands",
    file: "services/audit/src/g.ts",
    text: 'export * from "../../../libs/keys/src/operations/index.ts";',
  },
  {
    rule: "tools-without-dev",
    file: "tools/b.ts",
    text: 'export * from "../dev/c.ts";',
  },
  {
    rule: "no-cycles",
    file: "libs/testing/src/index.ts",
    text: 'import { h } from "./h.ts";\nexport const g = h;',
  },
  {
    rule: "no-mutual-folders",
    file: "services/audit/src/one/k.ts",
    text: 'import { l, type m } from "../two/l.ts";\nexport const k: m = l;',
  },
  {
    rule: "no-mutual-folders",
    file: "services/audit/src/two/l.ts",
    text: "export type m = number;\nexport const l = 1;",
  },
  {
    rule: "no-mutual-folders",
    file: "services/audit/src/two/n.ts",
    text: 'import { k } from "../one/k.ts";\nexport const n = k;',
  },
  {
    rule: "unresolvable",
    file: "libs/testing/src/h.ts",
    text: 'import { g } from "./index.ts";\nimport "./nowhere.ts";\nexport const h = g;',
  },
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
    for (const { file, text } of PLANTED) {
      fs.mkdirSync(path.dirname(path.join(fixture, file)), { recursive: true });
      fs.writeFileSync(path.join(fixture, file), text);
    }
    const breaches = breachesIn(await cruise(root, fixture, ["libs", "services", "tools"]));
    const seen = new Set(breaches.map(({ rule }) => rule.name));
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
