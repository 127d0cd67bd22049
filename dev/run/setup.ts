// What has to be made once before the services can run: keys, users of the broker, roles and
// schemas.
import fs from "node:fs";
import path from "node:path";
import { NODE_FLAGS } from "../lib/cli.mjs";
import { root, sharedPath } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { Trouble } from "../lib/words.mjs";
import type { Infrastructure } from "../servers/infrastructure.ts";
import { SERVICES, type Secrets } from "../servers/secrets.ts";
import type { Dirs } from "./dirs.ts";
import { runJob } from "./job.ts";
import { serviceDsn, withDatabase } from "./services.ts";

const logOf = (dirs: Dirs) => path.join(dirs.logs, "setup.log");

/**
 * Makes the keys of a new installation, and proves those that are there to be the ones of its
 * tables: a lost key file is never replaced. Throws Trouble that names every file that is not right.
 */
export async function makeKeys(
  dirs: Dirs,
  servers: Infrastructure,
  secrets: Secrets,
  caFile: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { code, words } = await run(process.execPath, [...NODE_FLAGS, "tools/make-keys.ts", dirs.keys], {
    cwd: root,
    env: {
      ...{ PATH: process.env.PATH, LANG: "C.UTF-8", TZ: "UTC" },
      NODE_COMPILE_CACHE: sharedPath("compile-cache"),
      NODE_ENV: "development",
      ...(caFile ? { MEDVAULT_TLS_CA_FILE: caFile } : {}),
      MEDVAULT_OWNER_DATABASE_URL: serviceDsn(servers.databaseUrl, "medvault_owner", secrets.owner),
    },
    signal,
  });
  if (code !== 0) throw new Trouble(`No service was started, and no key was made: ${words.trim()}`);
}

/**
 * Loads each service once, so that Node keeps the compiled code: its first real start is then as
 * quick and as small as every later one (RSS of the six: 937 MB without, 694 MB with). Without
 * settings a service ends right after loading.
 */
export async function warmCompileCache(dirs: Dirs, stopping: AbortSignal): Promise<void> {
  const done = path.join(dirs.compileCache, `warm-${process.version}`);
  if (fs.existsSync(done)) return;
  for (const name of SERVICES) {
    const log = path.join(dirs.logs, "warm-up.log");
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(20_000)]);
    const job = { title: "loading", entry: `services/${name}/src/main.ts`, log, signal };
    await runJob(job).catch(() => {});
  }
  fs.writeFileSync(done, "");
}

/**
 * Roles, schemas and migrations; the owner's password leaves this process only here and for a
 * restore.
 */
export async function migrate(
  dirs: Dirs,
  servers: Infrastructure,
  secrets: Secrets,
  caFile: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const roles = Object.fromEntries(withDatabase.map((name) => [name, secrets.roles[name]]));
  await runJob({
    title: "the migration of the database",
    entry: "tools/migrate.ts",
    env: {
      NODE_ENV: "development",
      ...(caFile ? { MEDVAULT_TLS_CA_FILE: caFile } : {}),
      MEDVAULT_SUPERUSER_DATABASE_URL: servers.databaseUrl,
      MEDVAULT_OWNER_DATABASE_URL: serviceDsn(servers.databaseUrl, "medvault_owner", secrets.owner),
      MEDVAULT_ROLE_PASSWORDS: JSON.stringify({ owner: secrets.owner, ...roles }),
    },
    log: logOf(dirs),
    signal,
  });
}

/**
 * RabbitMQ's definitions as libs/messaging has them; passwords go in by standard input, not by the
 * command line.
 */
export async function brokerDefinitions(vhost: string, secrets: Secrets): Promise<Record<string, unknown[]>> {
  const users = SERVICES.map((name) => ({ name, password: secrets.broker[name] }));
  const input = JSON.stringify({ vhost, users });
  const args = [...NODE_FLAGS, "tools/broker-definitions.ts"];
  const { code, out, words } = await run(process.execPath, args, { cwd: root, input });
  if (code === 0) return JSON.parse(out);
  throw new Error(words);
}

/** A broker that was given gets the same definitions through its management API. */
export async function defineAtGivenBroker(
  servers: Infrastructure,
  definitions: object,
  caFile: string | undefined,
): Promise<void> {
  const url = new URL("/api/definitions", servers.managementUrl);
  const { username, password } = new URL(servers.managementUrl);
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  url.username = "";
  url.password = "";
  const headers = {
    authorization: `Basic ${Buffer.from(credentials).toString("base64")}`,
    "content-type": "application/json",
  };
  // For this alone, and only where a broker is given.
  const { Agent, fetch } = await import("undici");
  const dispatcher = new Agent({ connect: caFile ? { ca: fs.readFileSync(caFile) } : {} });
  const signal = AbortSignal.timeout(10_000);
  const body = JSON.stringify(definitions);
  const why = await fetch(url, { method: "POST", headers, body, dispatcher, signal }).then(
    ({ ok, status }) => (ok ? null : `answered ${status}`),
    (error: Error & { cause?: NodeJS.ErrnoException }) =>
      `does not answer (${error.cause?.code ?? error.name})`,
  );
  await dispatcher.destroy();
  if (why === null) return;
  throw new Trouble(
    `RabbitMQ's management API at ${url.host} ${why}, and the services' users have to be made there: enable rabbitmq_management, give AMQP_URL an administrator, or say where it is with MEDVAULT_RABBITMQ_URL.`,
  );
}
