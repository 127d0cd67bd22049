import { type Actor, NotFound, type ResourceAction } from "@medvault/contracts";
import type { Db } from "@medvault/postgres";
import type { PatientTable } from "./patient-table.ts";
import { whose } from "./resource.store.ts";

/**
 * A refusal that knows whose data it is about, for its event alone (libs/runtime): the patient and
 * the audit log see who tried, whoever tried sees the same answer as ever.
 */
export const about = <E>(refusal: E, patientId: string | null): E =>
  patientId !== null && refusal instanceof Error ? Object.assign(refusal, { patientId }) : refusal;

/**
 * The 404 of a row that the actor does not reach, or that is not there: one statement more for
 * either, and for no row that is found.
 */
export async function notFound(
  db: Db,
  actor: Actor,
  permission: ResourceAction,
  table: Pick<PatientTable<never>, "statements">,
  id: string,
): Promise<NotFound> {
  return about(new NotFound(), await whose(db, actor, permission, table, id));
}
