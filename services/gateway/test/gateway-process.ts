import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { freePort } from "@medvault/testing";
import { untilConnected } from "./harness.ts";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));

/** A gateway as a process of its own, as in production. */
export interface GatewayProcess {
  url: string;
  port: number;
  child: ChildProcess;
  /** Resident memory in bytes, from the kernel; only where it has /proc. */
  rssBytes(): number;
  /** SIGTERM, and its exit code. */
  stop(): Promise<number | null>;
}

/** Starts `src/main.ts` with these settings and waits until it serves; `port` keeps an old port. */
export async function spawnGateway(
  env: Record<string, string>,
  options: { port?: number; nodeArgs?: string[] } = {},
): Promise<GatewayProcess> {
  const port = options.port ?? (await freePort());
  const adminPort = await freePort();
  const child = spawn(process.execPath, [...(options.nodeArgs ?? []), MAIN], {
    env: {
      LOG_LEVEL: "error",
      ...env,
      PORT: String(port),
      ADMIN_PORT: String(adminPort),
    },
    stdio: ["ignore", "inherit", "inherit"],
  });
  const url = `http://127.0.0.1:${port}`;
  await untilListening(url, child);
  await untilConnected(url);
  return {
    url,
    port,
    child,
    rssBytes: () => rssOf(child.pid as number),
    async stop() {
      if (child.exitCode !== null) return child.exitCode;
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      const [code] = (await ended) as [number | null];
      return code;
    },
  };
}

async function untilListening(url: string, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt++) {
    if (child.exitCode !== null) throw new Error(`the gateway ended with ${child.exitCode}`);
    const answer = await fetch(`${url}/healthz`).catch(() => null);
    await answer?.arrayBuffer();
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the gateway did not listen within 20 s");
}

function rssOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}
