import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "@medvault/testing";
import { readJson } from "../../dev/lib/json.mjs";
import { root } from "../../dev/lib/paths.mjs";

/** What `npm start` writes for tools. */
export interface Ops {
  gateway: string;
  processes: { name: string; pid: number; port: number; adminPort: number; log: string; start: string }[];
  postgres: { superuser: string; services: Record<string, string>; pid: number };
  redis: { url: string; pid: number };
  rabbitmq: { url: string; managementUrl: string; pid: number };
  dirs: Record<"data" | "postgres" | "files" | "backups" | "mail" | "keys" | "logs", string>;
  demo: { users: { role: string; username: string; password: string; totpSecret: string | null }[] };
}

export interface RunningSystem {
  ops: Ops;
  dataDir: string;
  /** Ends everything that the start began, as Ctrl-C does; resolves with its milliseconds. */
  stop(): Promise<number>;
}

const START_LIMIT_MS = 240_000;

export interface SystemOptions {
  /** Elsewhere than `.data/<name>`: an empty folder, or file systems of a test's own. */
  dataDir?: string;
  /** Further settings. */
  env?: Record<string, string>;
}

/**
 * Starts a whole MedVault the way its user does, with data and servers of its own under
 * `.data/<name>`. Resolves when ops.json says that the demo is made; throws with the end of the
 * output when it is not within four minutes. What the start prints is kept in `.data/<name>.out`.
 */
export async function startSystem(name: string, given: SystemOptions = {}): Promise<RunningSystem> {
  const own = path.join(root, ".data", name);
  const { dataDir = own, env = {} } = given;
  await rm(own, { recursive: true, force: true });
  await mkdir(path.join(root, ".data"), { recursive: true });
  const port = await freePort();
  const child = spawn(process.execPath, ["dev/start.mjs"], {
    cwd: root,
    env: { ...systemEnvironment(dataDir, port), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let tail = "";
  const log = createWriteStream(`${own}.out`);
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      tail = (tail + chunk.toString()).slice(-4000);
      log.write(chunk);
    });
  }
  try {
    const ops = await waitForOps(child, dataDir, START_LIMIT_MS);
    return { ops, dataDir, stop: () => stopProcess(child, 30_000) };
  } catch (error) {
    await stopProcess(child, 30_000);
    throw new Error(`MedVault did not start: ${String(error)}\n${tail}`);
  }
}

/** Settings of a private MedVault: not the servers that unit tests share, no real rate limits. */
function systemEnvironment(dataDir: string, port: number): NodeJS.ProcessEnv {
  const { DATABASE_URL: _d, REDIS_URL: _r, AMQP_URL: _a, VITEST: _v, ...rest } = process.env;
  return {
    ...rest,
    NODE_ENV: "development",
    MEDVAULT_DATA: dataDir,
    MEDVAULT_PORT: String(port),
    MEDVAULT_RATE_LIMIT: "100000",
    MEDVAULT_LOGIN_RATE: "1000",
  };
}

async function waitForOps(child: ChildProcess, dataDir: string, limitMs: number): Promise<Ops> {
  const end = Date.now() + limitMs;
  while (Date.now() < end) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    const ops = readJson(path.join(dataDir, "ops.json")) as Ops | null;
    if (ops) return ops;
    await sleep(50);
  }
  throw new Error(`not ready within ${limitMs} ms`);
}

/** SIGINT as Ctrl-C sends it; the milliseconds until the process has gone. */
async function stopProcess(child: ChildProcess, limitMs: number): Promise<number> {
  const begun = Date.now();
  if (child.exitCode !== null || child.signalCode !== null) return 0;
  const gone = once(child, "exit");
  child.kill("SIGINT");
  const timer = setTimeout(() => child.kill("SIGKILL"), limitMs);
  await gone;
  clearTimeout(timer);
  return Date.now() - begun;
}
