import { randomUUID } from "node:crypto";
import { hostname } from "node:os";

/** A process on another machine that has said nothing for this long is taken for dead. */
const SILENT_MS = 60_000;
export const HEARTBEAT_MS = 5_000;

/** This process's name in a row that it works on: where it runs, as what, and which life of it. */
export const THIS_RUNNER = `${hostname()}.${process.pid}.${randomUUID()}`;

/**
 * Whether the process that works on a row is gone. On this machine its pid tells at once; one's own pid with another
 * life means a predecessor in the same container. Elsewhere its silence tells.
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
