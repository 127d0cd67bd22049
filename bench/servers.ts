import path from "node:path";
import { dataDir, root } from "../dev/lib/paths.mjs";
import { privateDir } from "../dev/servers/files.ts";
import { infrastructure } from "../dev/servers/infrastructure.ts";
import { claimPorts } from "../dev/servers/ports.ts";
import { loadSecrets } from "../dev/servers/secrets.ts";

const NAMES = [
  "MEDVAULT_TEST_DATABASE_URL",
  "MEDVAULT_TEST_REDIS_URL",
  "MEDVAULT_TEST_AMQP_URL",
  "MEDVAULT_TEST_RABBITMQ_URL",
] as const;

/**
 * Runs `work` beside a Postgres, a Redis and a RabbitMQ of its own, found by MEDVAULT_TEST_* as the
 * tests find theirs; where those are set already, beside them.
 */
export async function withServers<T>(work: () => Promise<T>): Promise<T> {
  if (NAMES.every((name) => process.env[name])) return work();
  const data = dataDir(path.join(root, ".data/bench"));
  privateDir(path.join(data, "log"));
  const { ports, release } = await claimPorts(data, undefined);
  const servers = await infrastructure({
    data,
    ports,
    secrets: loadSecrets(data),
    given: {
      DATABASE_URL: undefined,
      REDIS_URL: undefined,
      AMQP_URL: undefined,
      MEDVAULT_RABBITMQ_URL: undefined,
    },
    vhost: "bench",
    database: "postgres",
    definitions: async () => ({}),
    unsafeWithoutFsync: true,
    watcher: { say: () => undefined, onChange: () => undefined },
    signal: new AbortController().signal,
  });
  try {
    await servers.start();
    const { databaseUrl, redisUrl, amqpUrl, managementUrl } = servers;
    const urls = [databaseUrl, redisUrl, amqpUrl, managementUrl];
    for (const [at, name] of NAMES.entries()) process.env[name] = urls[at];
    return await work();
  } finally {
    for (const name of NAMES) delete process.env[name];
    await servers.stop();
    release();
  }
}
