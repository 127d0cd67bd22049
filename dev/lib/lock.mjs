// One at a time: a lock is a file that names the process holding it; a dead holder's lock is taken
// over.
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readJson } from "./json.mjs";
import { identify, isAlive } from "./processes.mjs";
import { Trouble } from "./words.mjs";

/** @typedef {import("./processes.mjs").ProcessId} ProcessId */

/**
 * Who holds the lock, or null when nobody living does.
 * @param {string} file
 * @returns {ProcessId | null}
 */
export function holder(file) {
  const id = /** @type {ProcessId | null} */ (readJson(file));
  return isAlive(id) ? id : null;
}

/**
 * For the one who wants the lock of a data directory that a running MedVault holds.
 * @param {ProcessId} by
 */
export const alreadyRunning = (by) =>
  new Trouble(
    `MedVault is already running here (process ${by.pid}): npm run status shows it, npm stop ends it.`,
  );

/**
 * Takes the lock for this process.
 * @param {string} file
 * @param {{onHeld: (by: ProcessId) => Error | null}} o onHeld returns the error to throw, or null
 * to wait
 * @returns {Promise<() => void>} releases the lock
 */
export async function acquireLock(file, { onHeld }) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  for (;;) {
    if (tryLock(file)) return () => release(file);
    const by = holder(file);
    if (!by) {
      setAsideStale(file);
      continue;
    }
    const error = onHeld(by);
    if (error) throw error;
    await sleep(200);
  }
}

/**
 * link(2) is atomic and brings the content along, so no reader sees an empty lock.
 * @param {string} file
 */
function tryLock(file) {
  const own = `${file}.${process.pid}.${randomBytes(4).toString("hex")}`;
  try {
    fs.writeFileSync(own, JSON.stringify(identify(process.pid)), { mode: 0o600 });
    fs.linkSync(own, file);
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "EEXIST") return false;
    throw error;
  } finally {
    fs.rmSync(own, { force: true });
  }
}

/**
 * Two may find the same dead lock: the rename has one winner, and a living lock moved by mistake is
 * put back.
 * @param {string} file
 */
function setAsideStale(file) {
  const aside = `${file}.stale.${process.pid}`;
  try {
    fs.renameSync(file, aside);
  } catch {
    return;
  }
  if (holder(aside)) {
    try {
      fs.linkSync(aside, file);
    } catch {
      // Someone else already took it: two living holders cannot both be refused, the later one sees
      // EEXIST.
    }
  }
  fs.rmSync(aside, { force: true });
}

/** @param {string} file */
function release(file) {
  if (holder(file)?.pid === process.pid) fs.rmSync(file, { force: true });
}
