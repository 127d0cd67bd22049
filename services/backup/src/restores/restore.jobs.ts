import type { Context } from "../context.ts";
import { failGoneRestores } from "./restore.service.ts";
import { hasRequestedRestore } from "./restore.store.ts";

/**
 * Fails restores whose job was killed, and wakes the job again for one that was not taken on yet.
 */
export async function recoverRestores({ pool, wakeRestoreJob }: Context): Promise<void> {
  await failGoneRestores(pool);
  if (await hasRequestedRestore(pool)) wakeRestoreJob();
}
