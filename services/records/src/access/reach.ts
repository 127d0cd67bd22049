import {
  type Actor,
  ClosableType,
  Forbidden,
  Id,
  purposeOf,
  type ResourceAction,
  type Scope,
  scopeOf,
} from "@medvault/contracts";

/** How far an actor may go with one permission: the parameters of every query on patient data. */
export interface Reach {
  /**
   * `assigned` is the care team and who broke the glass; `lasting` the care team alone;
   * `reading:<purpose>` is `assigned` and whom the patient opened the chart to for that purpose.
   */
  scope: Scope | "lasting" | `reading:${string}`;
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
  "file:delete",
]);

/** What a consent opens: reading the chart. */
const READING: ReadonlySet<ResourceAction> = new Set([
  "patient:read",
  "patient:search",
  "careteam:read",
  "record:read",
  "prescription:read",
  "prescription:search",
  "claim:read",
  "appointment:read",
  "fhir:export",
  "file:read",
]);

/**
 * The widest scope in which the actor holds `resource:action`. Throws Forbidden without any
 * (default deny), and for an actor that is no person: only users can be on a care team or own a
 * record.
 */
export function reachOf(actor: Actor, resourceAction: ResourceAction): Reach {
  const scope = scopeOf(actor, resourceAction);
  if (scope === null || !Id.safeParse(actor.id).success) throw new Forbidden();
  return { scope: scope === "assigned" ? narrowed(actor, resourceAction) : scope, userId: actor.id };
}

function narrowed(actor: Actor, resourceAction: ResourceAction): Reach["scope"] {
  if (LASTING.has(resourceAction)) return "lasting";
  const purpose = READING.has(resourceAction) ? purposeOf(actor) : null;
  return purpose === null ? "assigned" : `reading:${purpose}`;
}

/**
 * Why the actor may do it, as events say, but for what they were given: `role`, `own`, `assigned`.
 */
export function reasonOf(actor: Actor, resourceAction: ResourceAction): string {
  const scope = scopeOf(actor, resourceAction) ?? "none";
  return scope === "any" ? "role" : scope;
}

/** The type of what a permission is about, where it can be closed; else null. */
export function closableOf(permission: ResourceAction): ClosableType | null {
  const type = permission.slice(0, permission.indexOf(":"));
  return ClosableType.safeParse(type).data ?? null;
}

/** A part of a chart that a patient can close, as SQL of a row: its type, and its id or null. */
export interface Part {
  readonly type: string;
  readonly id: string;
}

/**
 * The access predicate, as SQL: the row's patient (the column with their id) is one whom the user
 * reaches, by that chart or another of its merge, and did not close this part to them. The
 * parameters `$at` and `$at+1` are a Reach's scope and user. Every statement on patient data holds
 * it, or starts from `patientsInReach`, or follows one that did. It looks each patient up as the
 * row comes: by `exists` Postgres may read all whom the user reaches first.
 */
export function reached(
  patientId: string,
  at: number,
  part?: Part | null,
  given = givenTo(`$${at + 1}`),
): string {
  const user = `$${at + 1}`;
  const isReached = `(case $${at} when 'any' then true
                when 'own' then (select true from patients own where own.id = ${patientId} and own.user_id = ${user} limit 1)
                else (select true from care_team team where team.patient_id = ${patientId} and team.user_id = ${user} limit 1) end
          or ((${isMerged(patientId)} or ${given.glass} or ${given.opened}) and reached_otherwise(${patientId}, ${user}, $${at})))`;
  return part ? `(${isReached} and ${isOpen(patientId, at, part)})` : isReached;
}

/**
 * Whether the patient did not close this part to the user: of what `reached` found. Whoever has
 * nothing closed to them costs one look at an index for the whole statement.
 */
export const isOpen = (patientId: string, at: number, { type, id }: Part): string =>
  `(not ${isAnyClosed(`$${at + 1}`)} or not is_closed(${patientId}, $${at + 1}, ${type}, ${id}, $${at} <> 'lasting'))`;

/** Whether any chart has a part that is closed to a user: asked once in a statement. */
const isAnyClosed = (user: string): string =>
  `(select exists (select from consents o
                 where o.grantee = ${user} and o.part_type is not null and o.hidden_at is null))`;

/**
 * What of a patient's chart is closed to the user, as `<type>/<id>` or `<type>/*`; null: nothing.
 */
export const closedParts = (patientId: string, at: number): string =>
  `case when ${isAnyClosed(`$${at + 1}`)} then closed_parts(${patientId}, $${at + 1}, $${at} <> 'lasting') end`;

/** What a user was given beside a place on a care team: two conditions, as SQL. */
export interface Given {
  /** Whether an emergency of theirs runs. */
  readonly glass: string;
  /** Whether any patient opened a chart to them. */
  readonly opened: string;
}

/** Each is asked once in a statement, and only where a row needs it. */
const givenTo = (user: string): Given => ({
  glass: `(select exists (select from break_glass g where g.user_id = ${user} and g.expires_at > now()))`,
  opened: `(select exists (select from consents g
                   where g.grantee = ${user} and g.part_type is null and g.hidden_at is null))`,
});

/** As givenTo, to be joined as the one row `given`: asked once where two conditions need it. */
export const givenRow = (user: string): string => {
  const { glass, opened } = givenTo(user);
  return `(select ${glass} as glass, ${opened} as opened) given`;
};
export const GIVEN: Given = { glass: "given.glass", opened: "given.opened" };

/**
 * Why the user reaches a patient, as `basis`: null where it is for what the scope says. One who is
 * on the care team, and broke no glass, is looked up no further.
 */
export function basisOf(patientId: string, at: number, given = givenTo(`$${at + 1}`)): string {
  const user = `$${at + 1}`;
  return `case when ${given.glass} or ${given.opened} and
                      (select true from care_team team
                        where team.patient_id = ${patientId} and team.user_id = ${user} limit 1) is null
             then basis_of(${patientId}, ${user}, $${at}) end as basis`;
}

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
  `(select patient_id from care_team where user_id = ${user} and ${scope} <> 'own'
               union all select id as patient_id from patients where user_id = ${user} and ${scope} = 'own'
               union all select patients_otherwise(${user}, ${scope}))`;

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
