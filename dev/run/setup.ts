// What has to be made once before the services can run: keys, users of the broker, roles and schemas.
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import https from "node:https";
import path from "node:path";
import { NODE_FLAGS } from "../lib/cli.mjs";
import { root } from "../lib/paths.mjs";
import { Trouble } from "../lib/words.mjs";
import type { Infrastructure } from "../servers/infrastructure.ts";
import { SERVICES, type Secrets } from "../servers/secrets.ts";
import type { Dirs } from "./dirs.ts";
import { runJob } from "./job.ts";
import { serviceDsn, withDatabase } from "./services.ts";

const logOf = (dirs: Dirs) => path.join(dirs.logs, "setup.log");

export async function makeKeys(dirs: Dirs, signal: AbortSignal): Promise<void> {
  const env = { NODE_COMPILE_CACHE: dirs.compileCache };
  await runJob({
    title: "making keys",
    entry: "tools/make-keys.ts",
    args: [dirs.keys],
    env,
    log: logOf(dirs),
    signal,
  });
}

/**
 * Loads each service once, so that Node keeps the compiled code: its first real start is then as quick and as small as
 * every later one (RSS of the six: 937 MB without, 694 MB with). Without settings a service ends right after loading.
 */
export async function warmCompileCache(dirs: Dirs, stopping: AbortSignal): Promise<void> {
  const done = path.join(dirs.compileCache, `warm-${process.version}`);
  if (fs.existsSync(done)) return;
  for (const name of SERVICES) {
    const env = { NODE_COMPILE_CACHE: dirs.compileCache };
    const log = path.join(dirs.logs, "warm-up.log");
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(20_000)]);
    await runJob({ title: "loading", entry: `services/${name}/src/main.ts`, env, log, signal }).catch(
      () => {},
    );
  }
  fs.writeFileSync(done, "");
}

/** Roles, schemas and migrations; the owner's password leaves this process only here and for a restore. */
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
      NODE_COMPILE_CACHE: dirs.compileCache,
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

/** RabbitMQ's definitions as libs/messaging has them; passwords go in by standard input, not by the command line. */
export function brokerDefinitions(vhost: string, secrets: Secrets): Promise<Record<string, unknown[]>> {
  const child = spawn(process.execPath, [...NODE_FLAGS, "tools/broker-definitions.ts"], {
    cwd: root,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const users = SERVICES.map((name) => ({ name, password: secrets.broker[name] }));
  child.stdin.end(JSON.stringify({ vhost, users }));
  let out = "";
  let words = "";
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    words += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(JSON.parse(out));
      else reject(new Error(`broker-definitions.ts failed: ${words.slice(-1_000)}`));
    });
  });
}

/** A broker that was given gets the same definitions through its management API. */
export async function defineAtGivenBroker(
  servers: Infrastructure,
  definitions: object,
  caFile: string | undefined,
): Promise<void> {
  const url = new URL("/api/definitions", servers.managementUrl);
  const { username, password } = new URL(servers.managementUrl);
  url.username = "";
  url.password = "";
  const authorization = `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64")}`;
  const headers = { authorization, "content-type": "application/json" };
  const why = await post(url, headers, JSON.stringify(definitions), caFile).then(
    (status) => (status < 300 ? null : `answered ${status}`),
    (error: NodeJS.ErrnoException) => `does not answer (${error.code})`,
  );
  if (why === null) return;
  throw new Trouble(
    `RabbitMQ's management API at ${url.host} ${why}, and the services' users have to be made there: enable rabbitmq_management, give AMQP_URL an administrator, or say where it is with MEDVAULT_RABBITMQ_URL.`,
  );
}

/** The status of the answer. To https the CA file's certificates are trusted, or Node's own without one. */
async function post(url: URL, headers: Record<string, string>, body: string, caFile: string | undefined) {
  const options = { method: "POST", headers, signal: AbortSignal.timeout(10_000) };
  const ca = caFile ? { ca: fs.readFileSync(caFile) } : {};
  const request =
    url.protocol === "https:"
      ? https.request(url, { ...options, ...ca, rejectUnauthorized: true })
      : http.request(url, options);
  request.end(body);
  const [answer] = (await once(request, "response")) as [http.IncomingMessage];
  answer.resume();
  return answer.statusCode ?? 0;
}
