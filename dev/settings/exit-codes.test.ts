// docs/configuration.md, "Exit codes", by the real processes. What is refused: refused-starts.test.ts.
import path from "node:path";
import { generateKeyFile } from "@medvault/keys/operations";
import { EXIT, type ExitCode } from "@medvault/service-kit";
import { expect, test } from "vitest";
import { NODE_FLAGS } from "../lib/cli.mjs";
import { root } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { givenDataDir } from "../test/harness.ts";

/** Nobody listens there. */
const AWAY = "127.0.0.1:2";
const DATABASE = `postgres://u:hunter2@${AWAY}/medvault`;

const JOB = { NODE_ENV: "test", DATABASE_URL: DATABASE, MEDVAULT_OWNER_DATABASE_URL: DATABASE };

test.each<[string, string, readonly string[], Record<string, string>, ExitCode, RegExp]>([
  ["done", "tools/make-keys.ts", ["DATA"], {}, EXIT.done, /^made /],
  ["usage", "tools/parked.ts", ["frob"], {}, EXIT.usage, /^parked: parked cannot frob/],
  ["usage", "services/backup/src/backup.job.ts", ["frob"], JOB, EXIT.usage, /say make or verify/],
  [
    "away",
    "services/auth/src/bootstrap.job.ts",
    [],
    JOB,
    EXIT.tryAgain,
    /"level":"fatal".*DatabaseUnavailable/,
  ],
  [
    "away",
    "services/backup/src/restore.job.ts",
    [],
    JOB,
    EXIT.tryAgain,
    /"level":"fatal".*DatabaseUnavailable/,
  ],
  [
    "away",
    "services/backup/src/backup.job.ts",
    [],
    JOB,
    EXIT.tryAgain,
    /"level":"fatal".*DatabaseUnavailable/,
  ],
  ["away", "tools/migrate.ts", [], JOB, EXIT.tryAgain, /PostgreSQL does not answer at 127\.0\.0\.1:2/],
  ["away", "tools/make-keys.ts", ["DATA"], JOB, EXIT.tryAgain, /The database is not available/],
  [
    "away",
    "tools/parked.ts",
    [],
    { MEDVAULT_RECORDS_DATABASE_URL: DATABASE },
    EXIT.tryAgain,
    /does not answer/,
  ],
])("%s: %s %j", async (_what, entry, args, settings, code, words) => {
  const data = givenDataDir();
  const service = /services\/(\w+)/.exec(entry)?.[1];
  const keysFile = path.join(data, "keys.json");
  if (service) await generateKeyFile(keysFile, service);
  const dirs = ["BACKUPS", "FILES", "AUDIT"].map((name) => [`MEDVAULT_${name}_DIR`, data]);
  const env = {
    PATH: process.env.PATH,
    MEDVAULT_DATA: "/nonexistent",
    ...(service ? { ...Object.fromEntries(dirs), MEDVAULT_KEYS_FILE: keysFile } : {}),
    ...settings,
  };
  const given = args.map((arg) => (arg === "DATA" ? data : arg));
  const ran = await run(process.execPath, [...NODE_FLAGS, entry, ...given], { cwd: root, env });
  expect(ran.code, ran.out + ran.words).toBe(code);
  expect(ran.out + ran.words).toMatch(words);
  expect(ran.out + ran.words).not.toContain("hunter2");
});
