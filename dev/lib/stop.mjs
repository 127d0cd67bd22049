import fs from "node:fs";
import path from "node:path";
import { readJson } from "./json.mjs";
import { holder } from "./lock.mjs";
import { portTrouble } from "./ports.mjs";
import { endLeftovers, signal, waitGone } from "./processes.mjs";
import { Trouble } from "./words.mjs";

const STOP_TIMEOUT_MS = 20_000;
/** From the first of a block on, as servers/ports.ts lays them out. */
const INTERNAL_PORTS = 20;

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
 * @throws Trouble when the record is damaged and something of that run seems to live
 */
export async function forgetRun(data, say) {
  await refuseUnknownRun(data);
  const ended = await endLeftovers(recorded(data), data);
  if (ended > 0) say(`ended ${ended} processes that an earlier run had left`);
  fs.rmSync(recordFile(data), { force: true });
  return ended;
}

/**
 * A damaged record names nobody. Whether that run still goes on is seen by its ports: two servers
 * on one directory would ruin it.
 * @param {string} data
 */
async function refuseUnknownRun(data) {
  const file = recordFile(data);
  if (!fs.existsSync(file) || readJson(file) !== null) return;
  const base = /** @type {number | undefined} */ (readJson(path.join(data, "ports.json"))?.base);
  for (let port = base ?? 0; port < (base ?? 0) + INTERNAL_PORTS && port > 0; port++) {
    if ((await portTrouble(port)) !== "EADDRINUSE") continue;
    throw new Trouble(
      `${file} is damaged, and what an earlier run started may still run, as on port ${port}: end it (ss -ltnp names it), then run the same command again.`,
    );
  }
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
