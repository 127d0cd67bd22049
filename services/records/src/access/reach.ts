import { type Actor, Forbidden, Id, type ResourceAction, type Scope, scopeOf } from "@medvault/contracts";

/** How far an actor may go with one permission: the parameters of every query on patient data. */
export interface Reach {
  /** `lasting` is `assigned` but for emergencies. */
  scope: Scope | "lasting";
  userId: string;
}

/**
 * What outlives an emergency, and so is not done by one: who treats a patient, who they are, which
 * charts are theirs, and what is deleted.
 */
const LASTING: ReadonlySet<ResourceAction> = new Set([
  "careteam:write",
  "patient:write",
  "record:delete",
  "prescription:delete",
  "appointment:delete",
]);

/**
 * The widest scope in which the actor holds `resource:action`. Throws Forbidden without any
 * (default deny), and for an actor that is no person: only users can be on a care team or own a
 * record.
 */
export function reachOf(actor: Actor, resourceAction: ResourceAction): Reach {
  const scope = scopeOf(actor, resourceAction);
  if (scope === null || !Id.safeParse(actor.id).success) throw new Forbidden();
  return { scope: scope === "assigned" && LASTING.has(resourceAction) ? "lasting" : scope, userId: actor.id };
}

/**
 * The access predicate, as SQL: the row's patient (the column with their id) is one whom the user
 * reaches, by that chart or another of its merge. The parameters `$at` and `$at+1` are a Reach's
 * scope and user. Every statement on patient data holds it, or starts from `patientsInReach`, or
 * follows one that did. It looks each patient up as the row comes: by `exists` Postgres may read
 * all whom the user reaches first.
 */
export const reached = (patientId: string, at: number): string =>
  `($${at} = 'any' or (select true from patient_access a
              where a.patient_id = ${patientId} and a.user_id = $${at + 1} and a.scope = $${at} limit 1)
          or (${isMerged(patientId)} and reached_by_merge(${patientId}, $${at + 1}, $${at})))`;

/** A user who reaches more patients than these reaches many (`resources/reached-rows.ts`). */
export const FEW_PATIENTS = 250;

/** Whether a patient is in a merge. Asked before a function is called for a row: it costs less. */
const isMerged = (patientId: string): string =>
  `(select true from patient_merges m where m.from_id = ${patientId} limit 1) is true`;

/** The merge that a patient is in (`merged_chart`, migration 0009); else null. */
export const mergedChart = (patientId: string): string =>
  `case when ${isMerged(patientId)} then merged_chart(${patientId}) end`;

/** The ids of all whom a user reaches in a scope other than `any`, each once: `patient_id`. */
export const patientsInReach = (user: string, scope: string): string =>
  `(select patient_id from patient_access where user_id = ${user} and scope = ${scope}
               union all select patients_by_merge(${user}, ${scope}))`;

/** The patient under whose id the chart is kept that `patientId` leads to. */
export const survivorOf = (patientId: string): string =>
  `coalesce((select m.into_id from patient_merges m where m.from_id = ${patientId}), ${patientId})`;

/** Whether a patient was merged into another. */
export const isMergedAway = (patientId: string): string =>
  `(select true from patient_merges m where m.from_id = ${patientId} and m.into_id <> m.from_id limit 1) is true`;

/**
 * Whether staff answers for who a patient is, as SQL: made the record, or is on the care team of
 * the chart. Else somebody says it of themselves. `patient` is a row of `patients`.
 */
export const isVouched = (patient: string): string =>
  `(${patient}.created_by is distinct from ${patient}.user_id
              or exists (select from care_team c where c.patient_id = any(${chartIds(`${patient}.id`)})))`;

/** The ids of the chart that `patientId` leads to, as an array. */
export const chartIds = (patientId: string): string =>
  `array(select ${patientId}::uuid
               union select y.from_id from patient_merges x join patient_merges y on y.into_id = x.into_id
                where x.from_id = ${patientId})`;
