import path from "node:path";
import { dataDir, root } from "../scripts/lib/paths.mjs";
import { privateDir } from "../scripts/servers/files.ts";
import { infrastructure } from "../scripts/servers/infrastructure.ts";
import { claimPorts } from "../scripts/servers/ports.ts";
import { loadSecrets } from "../scripts/servers/secrets.ts";

/**
 * Runs `work` beside a Redis and a RabbitMQ of its own, found by MEDVAULT_TEST_* as the tests find theirs; where those
 * are set already, beside them.
 */
export async function withServers<T>(work: () => Promise<T>): Promise<T> {
  if (process.env.MEDVAULT_TEST_REDIS_URL) return work();
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
    process.env.MEDVAULT_TEST_DATABASE_URL = servers.databaseUrl;
    process.env.MEDVAULT_TEST_REDIS_URL = servers.redisUrl;
    process.env.MEDVAULT_TEST_AMQP_URL = servers.amqpUrl;
    process.env.MEDVAULT_TEST_RABBITMQ_URL = servers.managementUrl;
    return await work();
  } finally {
    await servers.stop();
    release();
  }
}
