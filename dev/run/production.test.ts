// The demo's own settings with production said of them: no service starts, and each names whatever
// would be plain.
import { EXIT } from "@medvault/service-kit";
import { expect, test } from "vitest";
import { NODE_FLAGS } from "../lib/cli.mjs";
import { root } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { claimPorts } from "../servers/ports.ts";
import { loadSecrets } from "../servers/secrets.ts";
import { testServers } from "../servers/test-servers.ts";
import { planned } from "../settings/faults.ts";
import { givenDataDir } from "../test/harness.ts";
import { makeDirs } from "./dirs.ts";
import { environment, type ProcessName, serviceDsn } from "./services.ts";

const LISTENER = ["MEDVAULT_TLS_CERT_FILE", "MEDVAULT_TLS_KEY_FILE"];
const BEHIND = [...LISTENER, "MEDVAULT_TLS_CLIENT_CA_FILE", "DATABASE_URL", "AMQP_URL"];
const SERVICES = ["AUTH", "RECORDS", "FILES", "AUDIT", "BACKUP"].map((name) => `MEDVAULT_${name}_URL`);

const NOT_MADE = ["MEDVAULT_KEYS_FILE", "MEDVAULT_ASSERTION_JWKS_FILE"];

/** What a process of `entry` says before it ends, with the settings that `npm start` gives it. */
async function bootOf(name: ProcessName, entry: string, more: Record<string, string> = {}) {
  const data = givenDataDir();
  const secrets = loadSecrets(data);
  const { ports, release } = await claimPorts(data, undefined);
  release();
  const servers = await testServers({ data, ports });
  const started = { dirs: makeDirs(data), ports, secrets, servers };
  const env = {
    ...environment(name, { ...planned({ PATH: process.env.PATH }), ...started }),
    MEDVAULT_OWNER_DATABASE_URL: serviceDsn(servers.databaseUrl, "owner", secrets.owner),
    ...more,
  };
  const signal = AbortSignal.timeout(15_000);
  const ran = await run(process.execPath, [...NODE_FLAGS, entry], { cwd: root, env, signal });
  expect(ran.code).toBe(EXIT.badSettings);
  const said = ran.out + ran.words;
  const { faults } = JSON.parse(said) as { faults: { setting: string }[] };
  const shown = Object.values(secrets).filter(
    (secret) => typeof secret === "string" && said.includes(secret),
  );
  // The keys of this MedVault are not made yet.
  const named = faults.map(({ setting }) => setting).filter((name) => !NOT_MADE.includes(name));
  return { named: named.sort(), shown };
}

test.each<[ProcessName, string, string[]]>([
  ["gateway", "services/gateway/src/main.ts", [...LISTENER, "AMQP_URL", "REDIS_URL", ...SERVICES]],
  [
    "auth",
    "services/auth/src/main.ts",
    [...BEHIND, "REDIS_URL", "MEDVAULT_PUBLIC_URL", "MEDVAULT_RECORDS_URL", "MEDVAULT_AUDIT_URL"],
  ],
  ["records", "services/records/src/main.ts", [...BEHIND, "MEDVAULT_AUDIT_URL", "MEDVAULT_AUTH_URL"]],
  [
    "files",
    "services/files/src/main.ts",
    [...BEHIND, "MEDVAULT_AUDIT_URL", "MEDVAULT_AUTH_URL", "MEDVAULT_RECORDS_URL"],
  ],
  ["audit", "services/audit/src/main.ts", [...BEHIND, "MEDVAULT_AUTH_URL", "MEDVAULT_RECORDS_URL"]],
  ["backup", "services/backup/src/main.ts", BEHIND],
  ["restore", "services/backup/src/restore.job.ts", ["MEDVAULT_OWNER_DATABASE_URL"]],
  ["bootstrap", "services/auth/src/bootstrap.job.ts", ["DATABASE_URL"]],
])("in production %s (%s) does not start on the demo's settings", async (name, entry, settings) => {
  const { named, shown } = await bootOf(name, entry, { NODE_ENV: "production" });
  expect(named).toEqual(settings.toSorted());
  expect(shown).toEqual([]);
});

test("nor does a migration", async () => {
  const { named } = await bootOf("records", "tools/migrate.ts", { NODE_ENV: "production" });
  expect(named).toEqual(["MEDVAULT_OWNER_DATABASE_URL"]);
});

test("what ends TLS before the gateway spares it no other setting", async () => {
  const { named } = await bootOf("gateway", "services/gateway/src/main.ts", {
    NODE_ENV: "production",
    MEDVAULT_TLS_TERMINATED: "true",
    REDIS_URL: "rediss://127.0.0.1:1/0",
  });
  expect(named).toEqual([...LISTENER, "AMQP_URL", ...SERVICES].toSorted());
});
