import type { Actor } from "@medvault/contracts";
import type { SealedRow, SealedTable } from "@medvault/keys";
import type { Tx } from "@medvault/postgres";
import { reachOf } from "../access/reach.ts";
import { mapGently } from "../batches.ts";
import { claims } from "../claims/claim.table.ts";
import type { Claim } from "../claims/claim.ts";
import type { Context } from "../context.ts";
import { medicalRecords } from "../medical-records/record.table.ts";
import type { MedicalRecord } from "../medical-records/record.ts";
import { prescriptions } from "../prescriptions/prescription.table.ts";
import type { Prescription } from "../prescriptions/prescription.ts";
import { fhirResources, type KeptResource } from "./fhir.table.ts";

/** Rows of one kind in one export; opening 10,000 takes about half a second. */
const MAX_ROWS_PER_KIND = 20_000;

export interface Everything {
  records: MedicalRecord[];
  prescriptions: Prescription[];
  claims: Claim[];
  kept: KeptResource[];
}

const QUERIES = {
  records: `select r.id, r.patient_id, r.author_id, r.version, r.occurred_at, r.created_at, r.updated_at, r.hidden_at,
                   r.rev, r.open, r.sealed, k.wrapped as subject_key
              from medical_records r join subject_keys k on k.subject_id = r.patient_id
             where r.patient_id = $1 and r.hidden_at is null
               and ($2 = 'any' or exists (select from patient_access a
                     where a.patient_id = $1 and a.user_id = $3 and a.scope = $2))
             order by r.id limit $4`,
  prescriptions: `select p.id, p.patient_id, p.prescribed_by, p.status, p.start_date, p.end_date, p.created_at,
                         p.updated_at, p.rev, p.open, p.sealed, k.wrapped as subject_key
                    from prescriptions p join subject_keys k on k.subject_id = p.patient_id
                   where p.patient_id = $1
                     and ($2 = 'any' or exists (select from patient_access a
                           where a.patient_id = $1 and a.user_id = $3 and a.scope = $2))
                   order by p.id limit $4`,
  claims: `select c.id, c.patient_id, c.provider_id, c.created_by, c.status, c.created_at, c.updated_at, c.rev, c.open,
                  c.sealed, k.wrapped as subject_key
             from claims c join subject_keys k on k.subject_id = c.patient_id
            where c.patient_id = $1
              and ($2 = 'any' or exists (select from patient_access a
                    where a.patient_id = $1 and a.user_id = $3 and a.scope = $2))
            order by c.id limit $4`,
  kept: `select f.id, f.subject_id, f.created_at, f.rev, f.open, f.sealed, k.wrapped as subject_key
           from fhir_resources f join subject_keys k on k.subject_id = f.subject_id
          where f.subject_id = $1
            and ($2 = 'any' or exists (select from patient_access a
                  where a.patient_id = $1 and a.user_id = $3 and a.scope = $2))
          order by f.id limit $4`,
} as const;

/** All that is kept about a patient whom the actor may export, in the order in which it was stored. */
export async function readEverything(
  tx: Tx,
  context: Context,
  actor: Actor,
  patientId: string,
): Promise<Everything> {
  const { scope, userId } = reachOf(actor, "fhir:export");
  const read = async <T extends object>(kind: keyof typeof QUERIES, table: SealedTable<T>): Promise<T[]> => {
    const { rows } = await tx.query<SealedRow>(QUERIES[kind], [patientId, scope, userId, MAX_ROWS_PER_KIND]);
    return mapGently(rows, (row) => table.open(context.keyring, row));
  };
  return {
    records: await read("records", medicalRecords),
    prescriptions: await read("prescriptions", prescriptions),
    claims: await read("claims", claims),
    kept: await read("kept", fhirResources),
  };
}
