import { type Infrastructure, type InfrastructureOptions, infrastructure } from "./infrastructure.ts";
import { loadSecrets } from "./secrets.ts";

/** Where tests look for their servers. */
export const TEST_URLS = {
  MEDVAULT_TEST_DATABASE_URL: "databaseUrl",
  MEDVAULT_TEST_REDIS_URL: "redisUrl",
  MEDVAULT_TEST_AMQP_URL: "amqpUrl",
  MEDVAULT_TEST_RABBITMQ_URL: "managementUrl",
} as const satisfies Record<string, keyof Infrastructure>;

/** The servers in `data` that tests and measurements need, not yet started. */
export function testServers(
  o: Pick<InfrastructureOptions, "data" | "ports"> & Partial<InfrastructureOptions>,
): Promise<Infrastructure> {
  return infrastructure({
    secrets: loadSecrets(o.data),
    given: {},
    vhost: "test",
    database: "postgres",
    definitions: async () => ({}),
    unsafeWithoutFsync: true,
    watcher: { say: () => {}, onChange: () => {} },
    signal: new AbortController().signal,
    ...o,
  });
}

/** The environment in which tests find these. */
export const testEnvironment = (servers: Infrastructure): Record<string, string> =>
  Object.fromEntries(Object.entries(TEST_URLS).map(([name, url]) => [name, servers[url]]));
