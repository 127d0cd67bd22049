import type { Actor } from "@medvault/contracts";
import type { SealedRow } from "@medvault/keys";
import type { Db } from "@medvault/postgres";
import { basisOf, reached, reachOf } from "../access/reach.ts";
import type { Context } from "../context.ts";
import { patients } from "../patients/patient.table.ts";
import type { Found as FoundRow } from "../resources/damaged-row.ts";
import { columnsOf } from "../resources/statement.ts";
import { prescriptions } from "./prescription.table.ts";
import type { Prescription } from "./prescription.ts";

/** A prescription that a search found, with the box of its patient's row, for the name. */
export interface Found {
  prescription: FoundRow<Prescription>;
  patientRow: () => SealedRow;
  /** Whether the patient is in a merge, so that other names lead here too. */
  isMerged: boolean;
}

const PATIENT = "of_";
const OF_IDS = `
    ${prescriptions.statements.select},
           ${columnsOf(patients.layout, "n", PATIENT)},
           ${basisOf("r.patient_id", 2)},
           exists (select from patient_merges m where m.from_id = r.patient_id) as is_merged
      from prescriptions r join patients n on n.id = r.patient_id join subject_keys k on k.subject_id = r.patient_id
     where r.id = any($1::uuid[]) and ${reached("r.patient_id", 2, prescriptions.layout.part)}`;

/**
 * These prescriptions, of those that the actor reaches, each with its patient's row; in no order.
 */
export async function findWithPatients(
  db: Db,
  context: Context,
  actor: Actor,
  ids: readonly string[],
): Promise<Found[]> {
  const { scope, userId } = reachOf(actor, "prescription:search");
  if (ids.length === 0) return [];
  const { rows } = await db.query<SealedRow>(OF_IDS, [ids, scope, userId]);
  return rows.map((row) => ({
    prescription: prescriptions.open(context.keyring, row),
    patientRow: () => ({ ...withoutPrefix(row), subject_key: row.subject_key }) as SealedRow,
    isMerged: row.is_merged === true,
  }));
}

const withoutPrefix = (row: SealedRow): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(row).flatMap(([name, value]) =>
      name.startsWith(PATIENT) ? [[name.slice(PATIENT.length), value]] : [],
    ),
  );
