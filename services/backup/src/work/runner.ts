import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { ArchiveContext } from "../context.ts";

/** A process on another machine that was silent for this long is taken for dead. */
const SILENT_MS = 60_000;
const HEARTBEAT_MS = 5_000;

/** This process in a row that it works on: its machine, its pid, and which life of it. */
export const THIS_RUNNER = `${hostname()}.${process.pid}.${randomUUID()}`;

/**
 * Whether the process that works on a row is gone. On this machine its pid shows that at once; our
 * own pid with another life is a predecessor in the same container. Elsewhere its silence shows it.
 */
export function isGone(runner: string | null, silentMs: number): boolean {
  if (runner === THIS_RUNNER) return false;
  const [, host, pid] = /^(.+)\.(\d+)\.[0-9a-f-]{36}$/.exec(runner ?? "") ?? [];
  if (host !== hostname()) return silentMs > SILENT_MS;
  return Number(pid) === process.pid || !isRunning(Number(pid));
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Calls `beat` at once, and every 5 s while `work` runs: others see that this process is alive. */
export async function whileBeating<T>(
  beat: () => Promise<void>,
  logger: ArchiveContext["logger"],
  work: () => Promise<T>,
): Promise<T> {
  const beating = () => beat().catch((err: unknown) => logger.warn({ err }, "heartbeat failed"));
  await beating();
  const timer = setInterval(beating, HEARTBEAT_MS);
  return await work().finally(() => clearInterval(timer));
}
