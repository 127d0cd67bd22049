import type { Actor, ResourceAction } from "@medvault/contracts";
import type { SealedRow } from "@medvault/keys";
import type { Db, Tx } from "@medvault/postgres";
import { reached, reachOf } from "../access/reach.ts";
import type { Context } from "../context.ts";
import type { Found } from "./damaged-row.ts";
import { MAX_VERSIONS_SHOWN, type PastRow } from "./patient-owned.ts";
import { rowVersions } from "./row-version.table.ts";

const PAST = `${rowVersions.statements.rows}
      where r.row_id = $1 and ${reached("r.patient_id", 2, rowVersions.layout.part)}
      order by r.version desc limit $4`;

/** The versions that a row had before its present one, newest first. */
export async function listPast(
  db: Db,
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  rowId: string,
): Promise<Found<PastRow>[]> {
  const { scope, userId } = reachOf(actor, permission);
  const { rows } = await db.query<SealedRow>(PAST, [rowId, scope, userId, MAX_VERSIONS_SHOWN]);
  return rows.map((row) => rowVersions.open(context.keyring, row));
}

/** Deletes what a row was before, once it is deleted itself. */
export async function removeVersions(
  tx: Tx,
  actor: Actor,
  permission: ResourceAction,
  rowId: string,
): Promise<void> {
  const { scope, userId } = reachOf(actor, permission);
  await tx.query(`delete from row_versions r where r.row_id = $1 and ${reached("r.patient_id", 2)}`, [
    rowId,
    scope,
    userId,
  ]);
}
