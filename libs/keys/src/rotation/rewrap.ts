import { inTransaction, type Tx } from "@medvault/postgres";
import type pg from "pg";
import type { Keyring } from "../keyring/keyring.ts";
import { pause, type Throttle, throttled } from "./throttle.ts";
import {
  type Batch,
  countBelow,
  lockAnswerKeysBelow,
  lockKeysBelow,
  lockSubjectKeysBelow,
  type StoredWrapped,
  saveAnswerKeys,
  saveKeys,
  saveSubjectKeys,
} from "./wrapped-keys.store.ts";

// Some 10 ms of work under locks for which only another writer of the same keys would wait.
const BATCH_KEYS = 100;
const LOCKED_PAUSE_MS = 50;
const MAX_REFUSED = 1_000;

export interface RewrapOptions extends Throttle {
  /** In each batch's transaction: how many it rewrapped. For the audit event. */
  readonly onBatch?: (tx: Tx, rewrapped: number) => Promise<void>;
  /** After each batch: how many are done and how many there were to do at the start. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Rewrapped {
  /** The version that they are under now. */
  readonly version: number;
  readonly rewrapped: number;
  /** Keys that did not open and stay, by id: `<kind>/<version>/<name>`, subject or answer. */
  readonly refused: readonly string[];
}

interface Run {
  readonly pool: pg.Pool;
  readonly keyring: Keyring;
  readonly options: RewrapOptions;
  readonly below: number;
  readonly total: number;
  readonly refused: string[];
  done: number;
}

/**
 * Wraps every key of the service under the newest version, in batches that each commit, while
 * traffic flows. What it looks for is what is still under older versions: so it goes on where an
 * earlier run ended, and several at once share the work. Throws the signal's reason when aborted;
 * what was done stays done.
 */
export async function rewrap(
  pool: pg.Pool,
  keyring: Keyring,
  options: RewrapOptions = {},
): Promise<Rewrapped> {
  keyring.provider.reload();
  const { version: below } = keyring.provider.current();
  const total = await countBelow(pool, below);
  const run: Run = { pool, keyring, options, below, total, refused: [], done: 0 };
  for (;;) {
    const before = run.done;
    await rewrapAll(run, lockKeysBelow, saveKeys);
    await rewrapAll(run, lockSubjectKeysBelow, saveSubjectKeys);
    await rewrapAll(run, lockAnswerKeysBelow, saveAnswerKeys);
    if ((await countBelow(pool, below)) <= run.refused.length) break;
    // What is left is another rewrap's or a shred's, or was wrapped just before the rotation.
    if (run.done === before) await pause(LOCKED_PAUSE_MS, options.signal);
  }
  return { version: below, rewrapped: run.done, refused: run.refused };
}

async function rewrapAll(
  run: Run,
  lock: (tx: Tx, batch: Batch) => Promise<StoredWrapped[]>,
  save: (tx: Tx, keys: readonly StoredWrapped[]) => Promise<void>,
): Promise<void> {
  const { below, options, refused } = run;
  await throttled(options, async () => {
    const batch = { below, limit: BATCH_KEYS, except: refused };
    const result = await inTransaction(run.pool, async (tx) => {
      const stored = await lock(tx, batch);
      const { keys, faulty } = rewrapEach(run.keyring, stored);
      if (keys.length > 0) {
        await save(tx, keys);
        await options.onBatch?.(tx, keys.length);
      }
      return { taken: stored.length, keys: keys.length, faulty };
    });
    if (result.taken === 0) return false;
    refused.push(...result.faulty.keys());
    if (refused.length > MAX_REFUSED) throw [...result.faulty.values()][0];
    run.done += result.keys;
    options.onProgress?.(run.done, run.total);
    return true;
  });
}

function rewrapEach(keyring: Keyring, stored: readonly StoredWrapped[]) {
  const keys: StoredWrapped[] = [];
  const faulty = new Map<string, unknown>();
  for (const key of stored) {
    try {
      keys.push({ ...key, wrapped: keyring.rewrap(key.wrapped, key.context) ?? key.wrapped });
    } catch (error) {
      faulty.set(key.id, error); // one damaged key must not stop all others
    }
  }
  return { keys, faulty };
}
