import type { Actor } from "@medvault/contracts";
import type { SealedRow } from "@medvault/keys";
import type { Tx } from "@medvault/postgres";
import { reachOf } from "../access/reach.ts";
import type { Context } from "../context.ts";
import type { Found } from "../resources/damaged-row.ts";
import type { Row } from "../resources/patient-owned.ts";
import type { PatientTable } from "../resources/patient-table.ts";
import { mapYielding } from "./batch.ts";

/** Rows of one kind in one export; opening 10,000 takes about half a second. */
const MAX_ROWS_PER_KIND = 20_000;

/**
 * All rows of a table about a patient whom the actor may export, in the order in which they were
 * stored.
 */
export async function readAll<T extends Row>(
  tx: Tx,
  context: Context,
  actor: Actor,
  { open, statements }: PatientTable<T>,
  patientId: string,
): Promise<Found<T>[]> {
  const { scope, userId } = reachOf(actor, "fhir:export");
  const values = [patientId, scope, userId, MAX_ROWS_PER_KIND];
  const { rows } = await tx.query<SealedRow>(statements.ofPatient, values);
  return mapYielding(rows, (row) => open(context.keyring, row));
}
