import type { Actor, ClosableType } from "@medvault/contracts";
import type { Db, Tx } from "@medvault/postgres";
import { chartIds, reachOf } from "../access/reach.ts";
import type { Consent } from "./consent.ts";

/** What is in force of a chart, beside which another one is to be. */
export interface InForce {
  count: number;
  /** Whether the same is: of this grantee, for this purpose or of this part. */
  hasThis: boolean;
  /** Whether the grantee is on the care team. */
  isOnTeam: boolean;
}

/**
 * Until the transaction ends, another of the same patient's waits: two would not see each other.
 */
export async function lockInForce(
  tx: Tx,
  actor: Actor,
  patientId: string,
  asked: Pick<Consent, "grantee" | "purpose" | "partType" | "partId">,
): Promise<InForce> {
  reachOf(actor, "consent:write");
  await tx.query("select pg_advisory_xact_lock(hashtextextended('records/consents/' || $1, 0))", [patientId]);
  const { rows } = await tx.query<InForce>(
    `select count(c.id)::int as count,
            coalesce(bool_or(c.grantee = $2 and (c.purpose, c.part_type, c.part_id)
                               is not distinct from ($3::text, $4::text, $5::uuid)), false) as "hasThis",
            exists (select from care_team t
                     where t.patient_id = any(${chartIds("$1")}) and t.user_id = $2) as "isOnTeam"
       from consents c
      where c.patient_id = any(${chartIds("$1")}) and c.hidden_at is null
        and (c.expires_at is null or c.expires_at > now())`,
    [patientId, asked.grantee, asked.purpose, asked.partType, asked.partId],
  );
  return rows[0] as InForce;
}

const TABLES: Readonly<Partial<Record<ClosableType, readonly string[]>>> = {
  record: ["medical_records", "fhir_resources"],
  prescription: ["prescriptions"],
  appointment: ["appointments"],
  claim: ["claims"],
};

/** Whether a row of this type is in the patient's chart. Files are not known here: any may be. */
export async function isInChart(
  db: Db,
  actor: Actor,
  patientId: string,
  type: ClosableType,
  id: string,
): Promise<boolean> {
  reachOf(actor, "consent:write");
  const tables = TABLES[type];
  if (!tables) return true;
  const of = (table: string) =>
    `select from ${table} r where r.id = $2 and r.${table === "fhir_resources" ? "subject_id" : "patient_id"} = any(${chartIds("$1")})`;
  const { rows } = await db.query(tables.map(of).join(" union all "), [patientId, id]);
  return rows.length > 0;
}
