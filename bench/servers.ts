import path from "node:path";
import { dataDir, root } from "../dev/lib/paths.mjs";
import { claimPorts } from "../dev/servers/ports.ts";
import { TEST_URLS, testEnvironment, testServers } from "../dev/servers/test-servers.ts";

/**
 * Runs `work` beside a Postgres, a Redis and a RabbitMQ of its own, found by MEDVAULT_TEST_* as the
 * tests find theirs; where those are set already, beside them.
 */
export async function withServers<T>(work: () => Promise<T>): Promise<T> {
  const names = Object.keys(TEST_URLS);
  if (names.every((name) => process.env[name])) return work();
  const data = dataDir(path.join(root, ".data/bench"));
  const { ports, release } = await claimPorts(data, undefined);
  const servers = await testServers({ data, ports });
  try {
    await servers.start();
    Object.assign(process.env, testEnvironment(servers));
    return await work();
  } finally {
    for (const name of names) delete process.env[name];
    await servers.stop();
    release();
  }
}
