// Runs under Node 24: the servers of the tests, then vitest, then the servers' end.
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { acquireLock } from "../lib/lock.mjs";
import { dataDir, root, sharedPath } from "../lib/paths.mjs";
import { forgetRun } from "../lib/stop.mjs";
import { sentenceFor, Trouble } from "../lib/words.mjs";
import { privateDir } from "../servers/files.ts";
import type { Infrastructure } from "../servers/infrastructure.ts";
import { claimPorts } from "../servers/ports.ts";
import { testEnvironment, testServers } from "../servers/test-servers.ts";
import { persistent, recordRun } from "./record.ts";

const data = dataDir(sharedPath("test"));
const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "disconnect"] as const) process.on(name, () => stop.abort());

async function main(): Promise<number> {
  const release = await acquireLock(path.join(data, "lock"), {
    onHeld: (by) =>
      new Trouble(
        `npm test is already running in this checkout (process ${by.pid}): wait for its end, or stop it with kill ${by.pid}.`,
      ),
  });
  privateDir(path.join(data, "log"));
  await forgetRun(data, console.log);
  const { ports, release: releasePorts } = await claimPorts(data, undefined);
  const { DATABASE_URL, REDIS_URL, AMQP_URL, MEDVAULT_RABBITMQ_URL } = process.env;
  let servers: Infrastructure | null = null;
  const record = persistent(() => recordRun(data, servers?.running ?? []), console.log);
  try {
    servers = await testServers({
      data,
      ports,
      given: { DATABASE_URL, REDIS_URL, AMQP_URL, MEDVAULT_RABBITMQ_URL },
      watcher: { say: console.log, onChange: record },
      signal: stop.signal,
    });
    await servers.start();
    return stop.signal.aborted ? 130 : await vitest(servers);
  } finally {
    await servers?.stop();
    await forgetRun(data, console.log);
    releasePorts();
    release();
  }
}

async function vitest(servers: Infrastructure): Promise<number> {
  const child = spawn(process.execPath, ["node_modules/vitest/vitest.mjs", "run", ...process.argv.slice(2)], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: {
      ...process.env,
      PATH: `${path.join(root, "node_modules/.bin")}:${process.env.PATH}`,
      ...testEnvironment(servers),
    },
  });
  stop.signal.addEventListener("abort", () => child.kill("SIGINT"));
  const [code] = (await once(child, "exit")) as [number | null];
  return stop.signal.aborted ? 130 : (code ?? 1);
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`medvault: ${sentenceFor(error) ?? (error as Error).stack}`);
  process.exitCode = 1;
}
process.disconnect?.();
