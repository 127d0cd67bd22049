import { inTransaction } from "@medvault/postgres";
import type { Audit, KeyPlace } from "./service-key.ts";

/**
 * Deletes a subject's wrapped key from one service: nothing of the subject opens from the next read on. What dumps, WAL and
 * replicas hold of it still would, until the versions of the service key that wrapped it are destroyed. Returns whether
 * there was one; the event is written in any case, with `keys` 0 or 1.
 */
export async function shredSubject(
  place: Pick<KeyPlace, "pool">,
  subjectId: string,
  audit: Audit,
): Promise<boolean> {
  return inTransaction(place.pool, async (tx) => {
    const { rowCount } = await tx.query("delete from subject_keys where subject_id = $1", [subjectId]);
    await audit(tx, { keys: rowCount ?? 0 });
    return rowCount === 1;
  });
}
