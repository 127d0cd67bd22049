import { type Actor, Forbidden, type ResourceAction } from "@medvault/contracts";
import type { Db } from "@medvault/postgres";
import { reached, reachOf } from "./reach.ts";

/**
 * The wrapped subject key of a patient whom the actor reaches with this permission; null when there
 * is no such patient or the actor may not know of one. The row is locked against erasure until the
 * transaction ends.
 */
export async function reachablePatientKey(
  db: Db,
  actor: Actor,
  permission: ResourceAction,
  patientId: string,
): Promise<Buffer | null> {
  return (await reachablePatientKeys(db, actor, permission, [patientId])).get(patientId) ?? null;
}

/** As reachablePatientKey, of several: the keys of those whom the actor reaches, by patient. */
export async function reachablePatientKeys(
  db: Db,
  actor: Actor,
  permission: ResourceAction,
  patientIds: readonly string[],
): Promise<Map<string, Buffer>> {
  const { scope, userId } = reachOf(actor, permission);
  if (patientIds.length === 0) return new Map();
  const { rows } = await db.query<{ id: string; wrapped: Buffer }>(
    `select p.id, k.wrapped from patients p join subject_keys k on k.subject_id = p.id
      where p.id = any($1::uuid[])
        and ${reached("p.id", 2)}
      order by p.id
        for key share of p`,
    [patientIds, scope, userId],
  );
  return new Map(rows.map(({ id, wrapped }) => [id, wrapped]));
}

/**
 * Whether staff answers for a patient whom the actor reaches (as `reaches` says): made the record,
 * or is on the care team. Null: not reached.
 */
export async function reachesVouched(
  db: Db,
  actor: Actor,
  permission: ResourceAction,
  patientId: string,
  prescriptionId: string | null,
): Promise<{ vouched: boolean } | null> {
  const { scope, userId } = reachOf(actor, permission);
  const { rows } = await db.query<{ vouched: boolean }>(
    `select p.created_by is distinct from p.user_id
              or exists (select from care_team c where c.patient_id = p.id) as vouched
       from patients p
      where p.id = $1
        and ${reached("p.id", 2)}
        and ($4::uuid is null or exists (select from prescriptions x
              where x.id = $4 and x.patient_id = p.id))`,
    [patientId, scope, userId, prescriptionId],
  );
  return rows[0] ?? null;
}

/**
 * Whether the actor reaches the patient and, if one is named, the prescription is that patient's.
 */
export async function reaches(
  db: Db,
  actor: Actor,
  permission: ResourceAction,
  patientId: string,
  prescriptionId: string | null,
): Promise<boolean> {
  const { scope, userId } = reachOf(actor, permission);
  const { rows } = await db.query<{ reached: boolean }>(
    `select exists (
       select from patients p
        where p.id = $1
          and ${reached("p.id", 2)}
          and ($4::uuid is null or exists (select from prescriptions x
                where x.id = $4 and x.patient_id = p.id))) as reached`,
    [patientId, scope, userId, prescriptionId],
  );
  return rows[0]?.reached === true;
}

const MAX_OWN_CHARTS = 100;
const MAX_KNOWN = 1_000;

/**
 * The charts of the caller's own, and whom these name: the care team, who made, wrote and
 * prescribed, and providers. Throws Forbidden for anybody but a patient.
 */
export async function knownPeople(db: Db, actor: Actor): Promise<{ patientIds: string[]; ids: string[] }> {
  const { scope, userId } = reachOf(actor, "careteam:read");
  if (scope !== "own") throw new Forbidden();
  const { rows } = await db.query<{ patientIds: string[]; ids: string[] }>(
    `with own as (
       select a.patient_id as id from patient_access a where a.user_id = $1 and a.scope = 'own' limit $2)
     select array(select id from own) as "patientIds",
            array(select known.id from (
                    select c.user_id as id from care_team c join own on own.id = c.patient_id
                    union select c.added_by from care_team c join own on own.id = c.patient_id
                    union select p.created_by from patients p join own using (id)
                    union select r.author_id from medical_records r join own on own.id = r.patient_id
                    union select x.prescribed_by from prescriptions x join own on own.id = x.patient_id
                    union select c.created_by from claims c join own on own.id = c.patient_id
                    union select c.provider_id from claims c join own on own.id = c.patient_id
                  ) known where known.id is not null limit $3) as ids`,
    [userId, MAX_OWN_CHARTS, MAX_KNOWN],
  );
  return rows[0] ?? { patientIds: [], ids: [] };
}
