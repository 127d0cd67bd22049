// Whether the servers that were given answer, and take the password that was given, before anything is
// started for them.
import { readFileSync } from "node:fs";
import net from "node:net";
import { setTimeout as delay } from "node:timers/promises";

import { connectionOf } from "@medvault/postgres";
import { places, type RedisConfig } from "@medvault/service-kit";
import amqp from "amqplib";
import { Redis } from "ioredis";
import pg from "pg";
import { Agent, fetch } from "undici";
import { type GivenUrls, managementBeside } from "../servers/infrastructure.ts";

const TIMEOUT_MS = 5_000;
/** Where something else is wrong already, nobody waits for a server that hangs. */
const TIMEOUT_BESIDE_FAULTS_MS = 500;

/** Whom to trust, where not whom Node trusts. */
interface Trust {
  ca?: string;
}

/** One sentence per server that cannot be used; settings in `skip` have a fault already. */
export async function serverFaults(
  given: GivenUrls &
    Partial<Record<"MEDVAULT_TLS_CA_FILE" | "AMQP_NODES" | keyof RedisConfig, string | undefined>>,
  skip: ReadonlySet<string>,
): Promise<string[]> {
  const caFile = given.MEDVAULT_TLS_CA_FILE;
  const tls: Trust = caFile && !skip.has("MEDVAULT_TLS_CA_FILE") ? { ca: readFileSync(caFile, "utf8") } : {};
  const management = given.AMQP_URL
    ? (given.MEDVAULT_RABBITMQ_URL ?? (skip.has("AMQP_URL") ? undefined : managementBeside(given.AMQP_URL)))
    : undefined;
  if (given.REDIS_SENTINELS && !given.REDIS_URL)
    return ["REDIS_SENTINELS: REDIS_URL is missing, the Redis that they know: set it, or leave both out."];
  if (given.AMQP_NODES && !given.AMQP_URL)
    return ["AMQP_NODES: AMQP_URL is missing, the first of the nodes: set it, or leave both out."];
  const sentinels = skip.has("REDIS_SENTINELS") ? undefined : given.REDIS_SENTINELS;
  const askRedis = (url: string) => askRedisBehind(sentinels, given.REDIS_SENTINEL_PASSWORD, url, tls);
  const asked = [
    { name: "DATABASE_URL", url: given.DATABASE_URL, ask: askPostgres },
    { name: "REDIS_URL", url: given.REDIS_URL, ask: askRedis },
    { name: "AMQP_URL", url: given.AMQP_URL, ask: askRabbit },
    { name: "MEDVAULT_RABBITMQ_URL", url: management, ask: askManagement },
  ];
  const late = delay(TIMEOUT_BESIDE_FAULTS_MS, null, { ref: false });
  const found = await Promise.all(
    asked.map(async ({ name, url, ask }) => {
      if (!url || skip.has(name)) return [];
      const answer = ask(url, tls).catch((error: unknown) => faultOf(error));
      const fault = await (skip.size > 0 ? Promise.race([answer, late]) : answer);
      return fault === null ? [] : [`${name}: ${place(url)} ${fault}`];
    }),
  );
  return found.flat();
}

/** A mail server that is away stops no start: mails wait for it. */
export async function mailWarnings(url: string | undefined): Promise<string[]> {
  if (!url || !URL.canParse(url)) return [];
  const { hostname, port, protocol } = new URL(url);
  const socket = net.connect(Number(port) || (protocol === "smtps:" ? 465 : 587), hostname);
  const answers = await new Promise<boolean>((resolve) => {
    socket.setTimeout(TIMEOUT_MS, () => resolve(false));
    socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
  });
  socket.destroy();
  return answers ? [] : [`MEDVAULT_SMTP_URL: ${place(url)} does not answer; mails wait until it does.`];
}

const place = (url: string) => {
  const { hostname, port } = new URL(url);
  return port ? `${hostname}:${port}` : hostname;
};

const WRONG_PASSWORD = "refuses this user name or password: correct them in the URL.";

/** What a driver threw, in words that hold nothing of the URL's password. */
function faultOf(error: unknown): string {
  const {
    code,
    message = "",
    errors,
  } = error as NodeJS.ErrnoException & { errors?: NodeJS.ErrnoException[] };
  const reason = code ?? errors?.[0]?.code;
  if (reason === "28P01" || reason === "28000") return WRONG_PASSWORD;
  if (/WRONGPASS|NOAUTH|ACCESS_REFUSED|invalid password/i.test(message)) return WRONG_PASSWORD;
  if (/CERT|SELF_SIGNED|UNABLE_TO|SSL|TLS/.test(reason ?? ""))
    return `has a certificate that is not trusted (${reason}): set MEDVAULT_TLS_CA_FILE to its CA.`;
  return `does not answer${reason ? ` (${reason})` : ""}: start it, correct the URL, or leave it out to have a server started.`;
}

async function askPostgres(url: string, tls: Trust): Promise<string | null> {
  const target = new URL(url);
  target.pathname = "/postgres"; // the database itself is made when it is not there
  const client = new pg.Client({ ...connectionOf(target.href, tls), connectionTimeoutMillis: TIMEOUT_MS });
  client.on("error", () => {});
  try {
    await client.connect();
    const { rows } = await client.query("select rolsuper from pg_roles where rolname = current_user");
    return rows[0]?.rolsuper ? null : "knows this user, who is no superuser: give one who is.";
  } finally {
    await client.end().catch(() => {});
  }
}

async function askRedisBehind(
  sentinels: string | undefined,
  sentinelPassword: string | undefined,
  url: string,
  tls: Trust,
): Promise<string | null> {
  const isSecure = url.startsWith("rediss:");
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: TIMEOUT_MS,
    commandTimeout: TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    ...(isSecure ? { tls } : {}),
    ...(sentinels && {
      ...{
        sentinels: places.parse(sentinels),
        name: new URL(url).hostname,
        sentinelRetryStrategy: () => null,
      },
      ...(sentinelPassword && { sentinelPassword }),
      ...(isSecure && { enableTLSForSentinelMode: true, sentinelTLS: tls }),
    }),
  });
  let last: Error | null = null;
  redis.on("error", (error: Error) => {
    last ??= error;
  });
  try {
    await redis.connect();
    await redis.ping();
    return null;
  } catch (error) {
    throw last ?? error;
  } finally {
    redis.disconnect();
  }
}

async function askRabbit(url: string, tls: Trust): Promise<string | null> {
  const connection = await amqp.connect(url, { timeout: TIMEOUT_MS, ...tls });
  await connection.close();
  return null;
}

async function askManagement(url: string, tls: Trust): Promise<string | null> {
  const target = new URL("/api/whoami", url);
  const { username, password } = new URL(url);
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const headers = { authorization: `Basic ${Buffer.from(credentials).toString("base64")}` };
  target.username = "";
  target.password = "";
  const dispatcher = new Agent({ connect: tls });
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const answer = await fetch(target, { headers, dispatcher, signal }).catch((error: Error) => {
      throw error.cause ?? error;
    });
    if (answer.status === 401) return WRONG_PASSWORD;
    const { tags } = (await answer.json()) as { tags?: string[] | string };
    return tags?.includes("administrator")
      ? null
      : "knows this user, who is no administrator: give one who is.";
  } catch (error) {
    return `${faultOf(error).split(":")[0]}: RabbitMQ's management API is needed to make the services' users. Enable rabbitmq_management, or say where it is with MEDVAULT_RABBITMQ_URL.`;
  } finally {
    await dispatcher.destroy();
  }
}
