// Postgres, Redis and RabbitMQ together: those given by URL are used, the others are started here.
import path from "node:path";
import { sharedPath } from "../lib/paths.mjs";
import { step, Trouble } from "../lib/words.mjs";
import { privateDir } from "./files.ts";
import type { Ports } from "./ports.ts";
import { postgres } from "./postgres.ts";
import { administrator, epmd, rabbitmq } from "./rabbitmq.ts";
import { redis } from "./redis.ts";
import type { Secrets } from "./secrets.ts";
import { type Program, Supervised, type Watcher } from "./supervise.ts";
import { toolchain } from "./toolchain.ts";

export interface GivenUrls {
  DATABASE_URL?: string | undefined;
  REDIS_URL?: string | undefined;
  AMQP_URL?: string | undefined;
  /**
   * RabbitMQ's management API; AMQP_URL's host and user on port 15672 (amqps: 15671, https) unless
   * said.
   */
  MEDVAULT_RABBITMQ_URL?: string | undefined;
}

export interface Infrastructure {
  /** As a superuser, to the database that MedVault lives in. */
  databaseUrl: string;
  redisUrl: string;
  /** As an administrator. */
  amqpUrl: string;
  managementUrl: string;
  vhost: string;
  /** Whether RabbitMQ is another's, whose users have to be made through its management API. */
  brokerGiven: boolean;
  /** The servers started here. */
  running: Supervised[];
  /** All at once, until each answers. */
  start: () => Promise<void>;
  stop: () => Promise<void>;
}

export interface InfrastructureOptions {
  data: string;
  ports: Ports;
  secrets: Secrets;
  given: GivenUrls;
  vhost: string;
  /** In our own Postgres. */
  database: string;
  /** RabbitMQ's definitions beyond the administrator; read when it starts. */
  definitions: () => Promise<Record<string, unknown[]>>;
  unsafeWithoutFsync?: boolean;
  /** Further lines of the servers' configurations. */
  settings?: Partial<Record<"postgres" | "redis" | "rabbitmq", readonly string[]>>;
  watcher: Watcher;
  signal: AbortSignal;
}

const ADMIN = "medvault-admin";

/**
 * What is to be started, not yet started: so that a stop that comes meanwhile finds it.
 * @throws Trouble when a URL is malformed or no server program can be had
 */
export async function infrastructure(o: InfrastructureOptions): Promise<Infrastructure> {
  const { given, ports, secrets, vhost, watcher } = o;
  checkUrls(given);
  const chains = await programs(o);
  const amqpUrl = given.AMQP_URL ?? `amqp://${ADMIN}:${secrets.rabbitmq}@127.0.0.1:${ports.amqp}/${vhost}`;
  return {
    databaseUrl:
      given.DATABASE_URL ??
      `postgres://postgres:${secrets.postgres}@127.0.0.1:${ports.postgres}/${o.database}`,
    redisUrl: given.REDIS_URL ?? `redis://:${secrets.redis}@127.0.0.1:${ports.redis}/0`,
    amqpUrl,
    managementUrl: given.AMQP_URL
      ? (given.MEDVAULT_RABBITMQ_URL ?? managementBeside(amqpUrl))
      : `http://${ADMIN}:${secrets.rabbitmq}@127.0.0.1:${ports.management}`,
    vhost: given.AMQP_URL ? vhostOf(given.AMQP_URL) : vhost,
    brokerGiven: Boolean(given.AMQP_URL),
    running: chains.flat(),
    start: () => startAll(chains, watcher.say),
    stop: () => stopAll(chains),
  };
}

async function startAll(chains: Supervised[][], say: (line: string) => void): Promise<void> {
  const results = await Promise.allSettled(
    chains.map(async (chain) => {
      for (const one of chain) await step(say, `starting ${one.program.name}`, () => one.start());
    }),
  );
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}

async function stopAll(chains: Supervised[][]): Promise<void> {
  await Promise.all(
    chains.map(async (chain) => {
      for (const one of chain.toReversed()) await one.stop();
    }),
  );
}

/** Chains run side by side, each in its own order: RabbitMQ needs epmd. */
async function programs(o: InfrastructureOptions): Promise<Supervised[][]> {
  const { data, ports, secrets, given, watcher } = o;
  if (given.DATABASE_URL && given.REDIS_URL && given.AMQP_URL) return [];
  const tools = await toolchain(sharedPath("toolchain"), watcher.say, o.signal);
  const logs = privateDir(path.join(data, "log"));
  const common = (name: "postgres" | "redis" | "rabbitmq") => {
    return { tools, data, log: path.join(logs, `${name}.log`), settings: o.settings?.[name] };
  };
  const chains: Supervised[][] = [];
  const add = (...chain: Program[]) => chains.push(chain.map((program) => new Supervised(program, watcher)));
  if (!given.AMQP_URL) {
    const rest = await o.definitions();
    const broker = {
      ...common("rabbitmq"),
      ports,
      cookie: secrets.erlangCookie,
      vhost: o.vhost,
      definitions: withAdministrator(rest, secrets.rabbitmq, o.vhost),
    };
    add(epmd(broker), rabbitmq(broker));
  }
  if (!given.REDIS_URL) add(redis({ ...common("redis"), port: ports.redis, password: secrets.redis }));
  if (!given.DATABASE_URL) {
    const { unsafeWithoutFsync } = o;
    const own = { port: ports.postgres, password: secrets.postgres, unsafeWithoutFsync };
    add(postgres({ ...common("postgres"), ...own }));
  }
  return chains;
}

function withAdministrator(rest: Record<string, unknown[]>, password: string, vhost: string) {
  const permission = { user: ADMIN, vhost, configure: ".*", write: ".*", read: ".*" };
  return {
    ...rest,
    users: [...(rest.users ?? []), administrator(ADMIN, password)],
    vhosts: rest.vhosts ?? [{ name: vhost }],
    permissions: [...(rest.permissions ?? []), permission],
  };
}

function checkUrls(given: GivenUrls): void {
  const protocols = { DATABASE_URL: /^postgres(ql)?:$/, REDIS_URL: /^rediss?:$/, AMQP_URL: /^amqps?:$/ };
  for (const [name, protocol] of Object.entries(protocols)) {
    const value = given[name as keyof typeof protocols];
    if (value && !(URL.canParse(value) && protocol.test(new URL(value).protocol))) {
      throw new Trouble(
        `${name} is not a URL of the form that it must have (${String(protocol).slice(2, -3)}//…): correct it, or leave it out to have a server started.`,
      );
    }
  }
}

/** RabbitMQ's management API, where nothing says where it is. */
export function managementBeside(amqpUrl: string): string {
  const { protocol, username, password, hostname } = new URL(amqpUrl);
  const [scheme, port] = protocol === "amqps:" ? ["https", 15671] : ["http", 15672];
  return `${scheme}://${username}:${password}@${hostname}:${port}`;
}

const vhostOf = (amqpUrl: string) => decodeURIComponent(new URL(amqpUrl).pathname.slice(1)) || "/";
