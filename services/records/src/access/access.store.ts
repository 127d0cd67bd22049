import {
  type AccessRight,
  type Actor,
  ClosableType,
  Forbidden,
  type ResourceAction,
} from "@medvault/contracts";
import type { Db, Tx } from "@medvault/postgres";
import { BASIS, type Basis, onBasis } from "./basis.ts";
import {
  basisOf,
  chartIds,
  closableOf,
  closedParts,
  isOpen,
  isVouched,
  mergedChart,
  type Part,
  patientsInReach,
  reached,
  reachOf,
  survivorOf,
} from "./reach.ts";

/** Every row of the type that a permission is about, `$4`; null where it cannot be closed. */
const OF_TYPE: Part = { type: "$4::text", id: "null" };

/** What new rows of a chart are sealed for. */
export interface ReachedChart {
  /** The surviving patient, whichever id of the chart was asked for. */
  patientId: string;
  subjectKey: Buffer;
  /** Why the actor reaches it, where it is not for what their scope says. */
  basis: Basis | null;
}

const REACHABLE = `select p.id, k.wrapped, ${basisOf("p.id", 2)} from patients p join subject_keys k on k.subject_id = p.id
      where p.id = ${survivorOf("$1")}
        and ${reached("p.id", 2, OF_TYPE)}`;

/**
 * The chart that an id leads to, if the actor reaches it with this permission; null when there is
 * no such patient or the actor may not know of one. The row is locked against erasure until the
 * transaction ends.
 */
export function reachableChart(
  tx: Tx,
  actor: Actor,
  permission: ResourceAction,
  patientId: string,
): Promise<ReachedChart | null> {
  return findReachable(tx, `${REACHABLE} for key share of p`, actor, permission, patientId);
}

/** As reachableChart, for a statement that asks again: nothing is locked. */
export function reachableChartNow(
  db: Db,
  actor: Actor,
  permission: ResourceAction,
  patientId: string,
): Promise<ReachedChart | null> {
  return findReachable(db, REACHABLE, actor, permission, patientId);
}

async function findReachable(
  db: Db,
  statement: string,
  actor: Actor,
  permission: ResourceAction,
  patientId: string,
): Promise<ReachedChart | null> {
  const { scope, userId } = reachOf(actor, permission);
  const values = [patientId, scope, userId, closableOf(permission)];
  const { rows } = await db.query<{ id: string; wrapped: Buffer; basis: Basis | null }>(statement, values);
  const [row] = rows;
  return row ? { patientId: row.id, subjectKey: row.wrapped, basis: row.basis } : null;
}

/**
 * As reachableChart, of several and of each by itself: the keys of those whom the actor reaches, by
 * patient.
 */
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

/** The ids of a chart, the surviving one first. */
export type Chart = [survivor: string, ...mergedFrom: string[]] & { readonly [BASIS]?: Basis };

interface Merged {
  id: string;
  mergedFrom: string[];
}

const chartOf = (patientId: string, merged: Merged | null): Chart =>
  merged ? [merged.id, ...merged.mergedFrom] : [patientId];

export interface VouchedChart {
  chart: Chart;
  /** Whether staff answers for who the patient is (`isVouched`). */
  vouched: boolean;
  basis: Basis | null;
  /** What of it is closed to the actor: `<type>/<id>`, or `<type>/*`. */
  closed: string[];
}

/**
 * The chart that an id leads to, if the actor reaches it (as `chartInReach` says). With a
 * prescription, which must be the chart's, and not closed. Null: not reached.
 */
export async function vouchedChart(
  db: Db,
  actor: Actor,
  permission: ResourceAction,
  patientId: string,
  prescriptionId: string | null,
): Promise<VouchedChart | null> {
  const { scope, userId } = reachOf(actor, permission);
  const { rows } = await db.query<Omit<VouchedChart, "chart"> & { merged: Merged | null }>(
    `select ${mergedChart("p.id")} as merged, ${basisOf("p.id", 2)},
            ${isVouched("p")} as vouched,
            coalesce(${closedParts("p.id", 2)}, '{}') as closed
       from patients p
      where p.id = $1
        and ${reached("p.id", 2, OF_TYPE)}
        and ($5::uuid is null or exists (select from prescriptions x
              where x.id = $5 and x.patient_id = any(${chartIds("$1")})
                and ${isOpen("x.patient_id", 2, { type: "'prescription'", id: "x.id" })}))`,
    [patientId, scope, userId, closableOf(permission), prescriptionId],
  );
  const [row] = rows;
  return row
    ? { chart: chartOf(patientId, row.merged), vouched: row.vouched, basis: row.basis, closed: row.closed }
    : null;
}

/**
 * The chart that an id leads to, if the actor reaches it and the patient did not close to them all
 * that the permission is about; else null.
 */
export async function chartInReach(
  db: Db,
  actor: Actor,
  permission: ResourceAction,
  patientId: string,
): Promise<Chart | null> {
  const { scope, userId } = reachOf(actor, permission);
  const { rows } = await db.query<{ merged: Merged | null; basis: Basis | null }>(
    `select ${mergedChart("p.id")} as merged, ${basisOf("p.id", 2)} from patients p
      where p.id = $1
        and ${reached("p.id", 2, OF_TYPE)}`,
    [patientId, scope, userId, closableOf(permission)],
  );
  const [row] = rows;
  return row ? onBasis(chartOf(patientId, row.merged), row.basis) : null;
}

/**
 * Whether the actor reaches a chart of which all that the permission is about is closed to them.
 */
export async function isPartClosed(
  db: Db,
  actor: Actor,
  permission: ResourceAction,
  patientId: string,
): Promise<boolean> {
  const { scope, userId } = reachOf(actor, permission);
  const { rows } = await db.query(
    `select from patients p
      where p.id = $1 and ${reached("p.id", 2)} and not ${isOpen("p.id", 2, OF_TYPE)}`,
    [patientId, scope, userId, closableOf(permission)],
  );
  return rows.length > 0;
}

/** Whether a row of a chart is closed to the actor: of `<type>/<id>`, as events name it. */
export async function isRowClosed(
  db: Db,
  actor: Actor,
  permission: ResourceAction,
  patientId: string,
  subject: string,
): Promise<boolean> {
  const { scope, userId } = reachOf(actor, permission);
  const [type = "", id = null] = subject.split("/");
  if (!ClosableType.safeParse(type).success) return false;
  const { rows } = await db.query<{ closed: boolean }>(
    "select is_closed($1, $2, $3, $4, $5 <> 'lasting') as closed",
    [patientId, userId, type, id, scope],
  );
  return rows[0]?.closed !== false;
}

/** Whether any part of one of these patients' charts is closed to the actor. */
export async function hasClosedParts(
  db: Db,
  actor: Actor,
  permission: ResourceAction,
  patientIds: readonly string[],
): Promise<boolean> {
  const { userId } = reachOf(actor, permission);
  const { rows } = await db.query(
    "select from unnest($1::uuid[]) as p (id) where cardinality(closed_parts(p.id, $2, true)) > 0 limit 1",
    [patientIds, userId],
  );
  return rows.length > 0;
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
       select a.patient_id as id from ${patientsInReach("$1", "'own'")} a limit $2)
     select array(select id from own) as "patientIds",
            array(select known.id from (
                    select c.user_id as id from care_team c join own on own.id = c.patient_id
                    union select c.added_by from care_team c join own on own.id = c.patient_id
                    union select b.user_id from break_glass b join own on own.id = b.patient_id
                    union select b.reviewed_by from break_glass b join own on own.id = b.patient_id
                    union select c.grantee from consents c join own on own.id = c.patient_id
                    union select c.given_by from consents c join own on own.id = c.patient_id
                    union select p.created_by from patients p join own using (id)
                    union select r.author_id from medical_records r join own on own.id = r.patient_id
                    union select x.prescribed_by from prescriptions x join own on own.id = x.patient_id
                    union select a.doctor_id from appointments a join own on own.id = a.patient_id
                    union select c.created_by from claims c join own on own.id = c.patient_id
                    union select c.provider_id from claims c join own on own.id = c.patient_id
                  ) known where known.id is not null limit $3) as ids`,
    [userId, MAX_OWN_CHARTS, MAX_KNOWN],
  );
  return rows[0] ?? { patientIds: [], ids: [] };
}

interface RightRow {
  user_id: string;
  reason: AccessRight["reason"];
  since: Date;
  until: Date | null;
}

const MAX_RIGHTS = 1_000;

/** Who reaches a chart now by a right of their own, at most 1,000; the caller reaches it. */
export async function listRights(db: Db, actor: Actor, chart: Chart): Promise<AccessRight[]> {
  reachOf(actor, "access:read");
  const { rows } = await db.query<RightRow>(
    `select x.user_id, x.reason, x.since, x.until from (
       select p.user_id, 'own' as reason, p.created_at as since, null::timestamptz as until
         from patients p where p.id = any($1::uuid[]) and p.user_id is not null
       union all
       select c.user_id, 'assigned', min(c.added_at), null
         from care_team c where c.patient_id = any($1) group by c.user_id
       union all
       select b.user_id, 'break_glass', b.created_at, b.expires_at
         from break_glass b where b.patient_id = any($1) and b.expires_at > now()
       union all
       select c.grantee, 'consent', c.created_at, c.expires_at
         from consents c
        where c.patient_id = any($1) and c.part_type is null and c.hidden_at is null
          and (c.expires_at is null or c.expires_at > now())) x
      order by x.since, x.reason desc, x.user_id limit $2`,
    [chart, MAX_RIGHTS],
  );
  return rows.map(({ user_id: userId, reason, since, until }) => ({
    ...{ userId, reason, since: since.toISOString(), until: until?.toISOString() ?? null },
  }));
}
