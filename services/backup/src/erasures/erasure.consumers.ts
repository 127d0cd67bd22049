import { type CloudEvent, confirmedErasure, ERASURE_ANNOUNCED, erasureOfEvent } from "@medvault/contracts";
import { isSignedErasure } from "@medvault/crypto";
import { emit } from "@medvault/messaging";
import type { Tx } from "@medvault/postgres";
import type { Consumption } from "@medvault/runtime";
import type { ArchiveContext, Context } from "../context.ts";
import { entryOf, insertCopy, writeCopy } from "./ledger.store.ts";

export const erasureConsumers = (context: Context): Consumption[] => [
  {
    queue: "medvault.backup.erasures",
    bindings: [ERASURE_ANNOUNCED],
    allowedSources: ["records"],
    handle: (events, tx) => keepErasures(context, events, tx),
  },
];

/**
 * Keeps a copy of each entry of the ledger, in the database and in the directory of backups, and
 * confirms it. Throws for one that is not signed, or is not the one that has its number here.
 */
export async function keepErasures(
  { archiveDir }: Pick<ArchiveContext, "archiveDir">,
  events: readonly CloudEvent[],
  tx: Tx,
): Promise<void> {
  for (const event of events) {
    const erasure = erasureOfEvent(event);
    const entry = entryOf(erasure);
    if (!isSignedErasure(entry))
      throw new TypeError("an entry of the ledger is not signed by the key it names");
    if (!(await insertCopy(tx, entry))) throw new TypeError("another erasure has this number already");
    await writeCopy(archiveDir, entry);
    await emit(tx, "backup", confirmedErasure("backup", erasure, new Date(), null));
  }
}
