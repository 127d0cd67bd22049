import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "@medvault/testing";
import { root } from "../../dev/lib/paths.mjs";
import { privateDir, privateFile } from "../../dev/servers/files.ts";
import type { Ops, RunningSystem } from "../../e2e/support/system.ts";

/** A second process of each service of a running MedVault, and a gateway before them. */
export interface Replicas {
  /** As the gateway of these is found; the folder has its ops.json. */
  readonly ops: Ops;
  readonly dir: string;
  stop(): Promise<void>;
}

const READY_WITHIN_MS = 60_000;

/**
 * Starts them with the settings of the first ones but ports, instance and whom they call. Restores
 * stay with the first backup service, whose supervisor runs the job.
 */
export async function startReplicas({ ops, dataDir }: RunningSystem): Promise<Replicas> {
  const dir = privateDir(`${dataDir}-replicas`);
  const ports = new Map<string, number>();
  for (const { name } of ops.processes) ports.set(name, await freePort());
  const children: { name: string; child: ChildProcess; adminPort: number }[] = [];
  const stop = async () => {
    await Promise.all(children.map(({ child }) => ended(child)));
  };
  try {
    for (const { name, pid } of ops.processes) {
      const adminPort = await freePort();
      const env = { ...environmentOf(pid), ...callees(ports), PORT: String(ports.get(name)) };
      Object.assign(env, { ADMIN_PORT: String(adminPort), MEDVAULT_INSTANCE: `${name}-2` });
      const log = fs.openSync(path.join(dir, `${name}.log`), "w");
      const args = argumentsOf(pid);
      const child = spawn(process.execPath, args, { cwd: root, env, stdio: ["ignore", log, log] });
      children.push({ name, child, adminPort });
    }
    for (const { name, child, adminPort } of children) await untilReady(name, child, adminPort);
  } catch (error) {
    await stop();
    throw error;
  }
  const processes = ops.processes.map((one) => ({ ...one, port: ports.get(one.name) ?? 0 }));
  const found = { ...ops, gateway: `http://127.0.0.1:${ports.get("gateway")}`, processes };
  privateFile(path.join(dir, "ops.json"), JSON.stringify(found));
  return { ops: found, dir, stop };
}

const environmentOf = (pid: number): Record<string, string> =>
  Object.fromEntries(
    fs
      .readFileSync(`/proc/${pid}/environ`, "utf8")
      .split("\0")
      .filter(Boolean)
      .map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)]),
  );

const argumentsOf = (pid: number): string[] =>
  fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").filter(Boolean).slice(1);

const callees = (ports: ReadonlyMap<string, number>): Record<string, string> =>
  Object.fromEntries(
    [...ports]
      .filter(([name]) => name !== "gateway" && name !== "backup")
      .map(([name, port]) => [`MEDVAULT_${name.toUpperCase()}_URL`, `http://127.0.0.1:${port}`]),
  );

async function untilReady(name: string, child: ChildProcess, adminPort: number): Promise<void> {
  const until = Date.now() + READY_WITHIN_MS;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the second ${name} ended with ${child.exitCode}`);
    const answer = await fetch(`http://127.0.0.1:${adminPort}/readyz`).catch(() => null);
    if (answer?.ok) return;
    if (Date.now() > until) throw new Error(`the second ${name} is not ready`);
    await sleep(100);
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  await gone;
}
