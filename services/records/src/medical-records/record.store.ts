import type { Actor } from "@medvault/contracts";
import type { SealedRow } from "@medvault/keys";
import type { Db } from "@medvault/postgres";
import { reached, reachOf } from "../access/reach.ts";
import type { Context } from "../context.ts";
import type { Found } from "../resources/damaged-row.ts";
import { pastVersions } from "./record.table.ts";
import { MAX_VERSIONS, type PastVersion } from "./record.ts";

const VERSIONS = `${pastVersions.statements.rows}
      where r.record_id = $1 and ${reached("r.patient_id", 2, pastVersions.layout.part)}
      order by r.version desc limit $4`;

/** The versions that a record had before its present one, newest first. */
export async function listPastVersions(
  db: Db,
  context: Context,
  actor: Actor,
  recordId: string,
): Promise<Found<PastVersion>[]> {
  const { scope, userId } = reachOf(actor, "record:read");
  const { rows } = await db.query<SealedRow>(VERSIONS, [recordId, scope, userId, MAX_VERSIONS]);
  return rows.map((row) => pastVersions.open(context.keyring, row));
}
