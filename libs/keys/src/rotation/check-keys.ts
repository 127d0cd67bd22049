import type { Db } from "@medvault/postgres";
import type { Keyring } from "../keyring/keyring.ts";
import { type Throttle, throttled } from "./throttle.ts";
import { allKeys, type StoredWrapped, subjectKeysAfter } from "./wrapped-keys.store.ts";

const BATCH_KEYS = 500;
const NIL_ID = "00000000-0000-0000-0000-000000000000";

const MAX_NAMED = 5;

/** Keys that do not open: damaged, or wrapped by another key. */
export interface Unopenable {
  readonly count: number;
  /** The first of them, by id: `<kind>/<version>/<name>`, or the subject. */
  readonly named: readonly string[];
}

/**
 * Which keys of a service do not open. Reads and unwraps every one, some 20 µs each, with pauses.
 * Throws the signal's reason when aborted.
 */
export async function findUnopenable(db: Db, keyring: Keyring, throttle: Throttle): Promise<Unopenable> {
  let count = 0;
  const named: string[] = [];
  const look = (keys: readonly StoredWrapped[]): void => {
    const shut = keys.filter((key) => !opens(keyring, key));
    count += shut.length;
    named.push(...shut.slice(0, MAX_NAMED - named.length).map(({ id }) => id));
  };
  look(await allKeys(db));
  let after = NIL_ID;
  await throttled(throttle, async () => {
    const batch = await subjectKeysAfter(db, after, BATCH_KEYS);
    look(batch);
    after = batch.at(-1)?.id ?? after;
    return batch.length === BATCH_KEYS;
  });
  return { count, named };
}

function opens(keyring: Keyring, { wrapped, context }: StoredWrapped): boolean {
  try {
    keyring.unwrap(wrapped, context).fill(0);
    return true;
  } catch {
    return false;
  }
}
