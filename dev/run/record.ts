// What runs, on disk: so that status can show it, stop can end it, and the next start can clear
// what a crash left.
import fs from "node:fs";
import path from "node:path";
import { endLeftovers, type ProcessId } from "../lib/processes.mjs";
import { privateFile, readJson } from "../servers/files.ts";
import type { Supervised } from "../servers/supervise.ts";

interface RunRecord {
  processes: (ProcessId & { name: string })[];
}

const fileOf = (data: string) => path.join(data, "processes.json");

/** Written at every change of the set. */
export function recordRun(data: string, running: Supervised[]): void {
  const processes = running.flatMap((one) => (one.id ? [{ name: one.program.name, ...one.id }] : []));
  privateFile(fileOf(data), JSON.stringify({ processes } satisfies RunRecord, null, 2));
}

/** Ends what is still alive of the last run; to be called by the holder of the lock. */
export async function forgetRun(data: string, say: (line: string) => void): Promise<void> {
  const last = readJson<RunRecord>(fileOf(data));
  if (last) {
    const ended = await endLeftovers(last.processes, data, { graceMs: 10_000 });
    if (ended > 0) say(`ended ${ended} processes that an earlier run had left`);
  }
  fs.rmSync(fileOf(data), { force: true });
}
