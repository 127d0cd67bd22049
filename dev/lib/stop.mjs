import fs from "node:fs";
import path from "node:path";
import { holder } from "./lock.mjs";
import { endLeftovers, signal, waitGone } from "./processes.mjs";
import { Trouble } from "./words.mjs";

const STOP_TIMEOUT_MS = 20_000;

/**
 * Stops the MedVault of a data directory, and what one that was killed has left.
 * @param {string} data
 * @returns {Promise<boolean>} whether anything ran
 */
export async function stopRunning(data) {
  const by = holder(path.join(data, "lock"));
  if (by) {
    signal(by, "SIGTERM");
    if (!(await waitGone([by], STOP_TIMEOUT_MS))) {
      throw new Trouble(
        `Process ${by.pid} has not stopped after ${STOP_TIMEOUT_MS / 1000} s: see ${data}/log/medvault.log, and end it with kill ${by.pid}.`,
      );
    }
  }
  return (await endLeftovers(recorded(data), data, { graceMs: 10_000 })) > 0 || Boolean(by);
}

/**
 * The processes that the supervisor noted last.
 * @param {string} data
 * @returns {(import("./processes.mjs").ProcessId & {name: string})[]}
 */
export function recorded(data) {
  try {
    return JSON.parse(fs.readFileSync(path.join(data, "processes.json"), "utf8")).processes;
  } catch {
    return [];
  }
}
