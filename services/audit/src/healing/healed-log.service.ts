import { type Keyring, signingKey, tableKey } from "@medvault/keys";
import type pg from "pg";
import { createArrivalCount } from "../log/arrival-count.service.ts";
import { createSnapshotSeal } from "../log/arrival-snapshot.store.ts";
import { createBodySeal } from "../log/body-seal.ts";
import { createSigner } from "../log/signer.ts";
import { createOutsideDirectory } from "../outside/outside.store.ts";
import type { HealedLog } from "./healing.service.ts";

export { HealingRefused } from "./healing.errors.ts";
export { type HealedLog, heal, type Plan, planHealing } from "./healing.service.ts";

/** @param pool of the role that owns the schemas */
export async function openHealedLog(
  pool: pg.Pool,
  keyring: Keyring,
  { directory, origin }: { directory: string; origin: string },
): Promise<HealedLog> {
  const { publicKey, sign } = await signingKey(pool, keyring, "checkpoints");
  const key = await tableKey(pool, keyring, "log");
  const seal = createBodySeal(key);
  const store = {
    outside: createOutsideDirectory(directory),
    signer: createSigner(origin, publicKey, sign),
  };
  return {
    ...{ pool, seal, ...store },
    countArrivals: () => createArrivalCount(pool, seal, createSnapshotSeal(key), store),
    now: () => new Date(),
  };
}
