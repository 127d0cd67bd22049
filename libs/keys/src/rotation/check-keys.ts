import type { Db } from "@medvault/postgres";
import type { Keyring } from "../keyring/keyring.ts";
import { type Throttle, throttled } from "./throttle.ts";
import { allKeys, type StoredWrapped, subjectKeysAfter } from "./wrapped-keys.store.ts";

const BATCH_KEYS = 500;
const NIL_ID = "00000000-0000-0000-0000-000000000000";

/**
 * How many keys of a service do not open: damaged or changed. Reads and unwraps every one, some 20
 * µs each, with pauses. Throws the signal's reason when aborted.
 */
export async function countUnopenable(db: Db, keyring: Keyring, throttle: Throttle): Promise<number> {
  let count = (await allKeys(db)).filter((key) => !opens(keyring, key)).length;
  let after = NIL_ID;
  await throttled(throttle, async () => {
    const batch = await subjectKeysAfter(db, after, BATCH_KEYS);
    count += batch.filter((key) => !opens(keyring, key)).length;
    after = batch.at(-1)?.id ?? after;
    return batch.length === BATCH_KEYS;
  });
  return count;
}

function opens(keyring: Keyring, { wrapped, context }: StoredWrapped): boolean {
  try {
    keyring.unwrap(wrapped, context).fill(0);
    return true;
  } catch {
    return false;
  }
}
