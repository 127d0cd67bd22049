import { recordFile } from "../lib/stop.mjs";
import { privateFile } from "../servers/files.ts";
import type { Supervised } from "../servers/supervise.ts";

/**
 * Notes what runs, at every change of the set: so that status can show it, stop can end it, and the
 * next start can clear what a crash left.
 */
export function recordRun(data: string, running: Supervised[]): void {
  const processes = running.flatMap((one) => (one.id ? [{ name: one.program.name, ...one.id }] : []));
  privateFile(recordFile(data), JSON.stringify({ processes }, null, 2));
}
