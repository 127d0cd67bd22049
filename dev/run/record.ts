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

const AGAIN_MS = 1_000;

/**
 * What writes records of what runs: now, and while that fails, as on a full disk, every second
 * again. It never throws: what runs is worth more than its record.
 */
export function persistent(write: () => void, say: (line: string) => void): () => void {
  let again: NodeJS.Timeout | undefined;
  const attempt = (): void => {
    const failedBefore = again !== undefined;
    clearTimeout(again);
    again = undefined;
    try {
      write();
      if (failedBefore) say("the records of what runs are written again");
    } catch (error) {
      if (!failedBefore)
        say(`the records of what runs could not be written (${(error as Error).message}): trying again`);
      again = setTimeout(attempt, AGAIN_MS).unref();
    }
  };
  return attempt;
}
