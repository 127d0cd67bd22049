import type { Actor } from "@medvault/contracts";
import type { Tx } from "@medvault/postgres";
import { reachOf } from "../access/reach.ts";

/** Whether one of these patients is on hold. The caller has locked them, so that none comes on. */
export async function isOnHold(tx: Tx, actor: Actor, patientIds: readonly string[]): Promise<boolean> {
  reachOf(actor, "erasure:write");
  const { rowCount } = await tx.query("select from legal_holds where patient_id = any($1::uuid[]) limit 1", [
    patientIds,
  ]);
  return rowCount === 1;
}

/** False where there was none. */
export async function deleteHolds(tx: Tx, actor: Actor, patientIds: readonly string[]): Promise<boolean> {
  reachOf(actor, "legalhold:write");
  const { rowCount } = await tx.query("delete from legal_holds where patient_id = any($1::uuid[])", [
    patientIds,
  ]);
  return (rowCount ?? 0) > 0;
}
