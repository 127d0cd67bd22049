import fs from "node:fs";
import path from "node:path";
import { readJson } from "./json.mjs";
import { holder } from "./lock.mjs";
import { endLeftovers, signal, waitGone } from "./processes.mjs";
import { Trouble } from "./words.mjs";

const STOP_TIMEOUT_MS = 20_000;

/** @param {string} data */
export const recordFile = (data) => path.join(data, "processes.json");

/**
 * The processes that the supervisor noted last.
 * @param {string} data
 * @returns {(import("./processes.mjs").ProcessId & {name: string})[]}
 */
export const recorded = (data) => readJson(recordFile(data))?.processes ?? [];

/**
 * Ends what is still alive of the last run, and forgets it; not to be called while that run goes on.
 * @param {string} data
 * @param {(line: string) => void} say
 * @returns {Promise<number>} how many processes were ended
 */
export async function forgetRun(data, say) {
  const ended = await endLeftovers(recorded(data), data);
  if (ended > 0) say(`ended ${ended} processes that an earlier run had left`);
  fs.rmSync(recordFile(data), { force: true });
  return ended;
}

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
  return (await forgetRun(data, () => {})) > 0 || Boolean(by);
}
