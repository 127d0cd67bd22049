import type { Actor, PatientListQuery, ResourceAction } from "@medvault/contracts";
import type { IndexQuery, SealedRow } from "@medvault/keys";
import type { Db, Tx } from "@medvault/postgres";
import {
  isMergedAway,
  isVouched,
  mergedChart,
  patientsInReach,
  reached,
  reachedInTurn,
  reachesMany,
  reachOf,
} from "../access/reach.ts";
import type { Context } from "../context.ts";
import type { Found } from "../resources/damaged-row.ts";
import { ROWS_LOOKED_AT } from "../resources/page-statement.ts";
import type { Position } from "../resources/paging.ts";
import { spellingsOf } from "./national-id.ts";
import { patients } from "./patient.table.ts";
import type { Patient } from "./patient.ts";

const { select: SELECT, rows: PATIENTS } = patients.statements;

const OWN = `${PATIENTS}
      where r.id = (select coalesce(m.into_id, p.id) from patients p left join patient_merges m on m.from_id = p.id
                     where p.user_id = $1)`;

const LATEST = "order by r.updated_at desc, r.id desc";

// Of merged charts the surviving one stands for all.
const NARROWED = `not ${isMergedAway("r.id")}
        and ($1::timestamptz is null or r.updated_at >= $1)
        and ($2::timestamptz is null or (r.updated_at, r.id) < ($2, $3::uuid))`;

const LIST_ANY = `${PATIENTS}
      where ${NARROWED}
      ${LATEST} limit $4`;

// Whose patients: those of one care team ($7), else the asker's own reach. Where that is many, the
// latest of all are read in order until there are enough; else, these alone.
const PANEL = ["coalesce($7::uuid, $6)", "case when $7::uuid is null then $5 else 'assigned' end"] as const;
const IN_TEAM = `($7::uuid is null or (select true from care_team c where c.patient_id = r.id and c.user_id = $7)
              or ${mergedChart("r.id")} is not null and reached_by_merge(r.id, $7, 'assigned'))`;
const LIST_IN_PANEL = `with near as (
       select r.id, r.updated_at from (
              select r.* from patients r
               where ${reachesMany(...PANEL)} and ${NARROWED}
               ${LATEST} limit ${ROWS_LOOKED_AT}) r
        where ${reachedInTurn("r.id", 5)}
        and ${IN_TEAM}
        ${LATEST} limit $4),
     found as (select count(*) = $4 as enough from near),
     page as (
       select id, updated_at from near where (select enough from found)
       union all
       (select r.id, r.updated_at
          from ${patientsInReach(...PANEL)} a
          join patients r on r.id = a.patient_id
         where not (select enough from found)
        and ${NARROWED}
        and ${reached("r.id", 5)}
         ${LATEST} limit $4))
     ${SELECT}
       from page join patients r on r.id = page.id join subject_keys k on k.subject_id = r.id
      ${LATEST}`;

const OF_NATIONAL_ID = `select r.id, r.updated_at from patients r
      where r.national_id_token = any($3::bytea[]) and ${reached("r.id", 1)}
        and ($4::timestamptz is null or (r.updated_at, r.id) < ($4, $5::uuid))
      order by r.updated_at desc, r.id desc limit $6`;

/** The ids of these patients (an array) and of all in a merge with one of them. */
const withCharts = (ids: string): string =>
  `array(select i.id from unnest(${ids}::uuid[]) as i (id)
              union select o.from_id from patient_merges m join patient_merges o on o.into_id = m.into_id
                     where m.from_id = any(${ids}::uuid[]))`;

const ROWS_WITH_CHARTS = `${PATIENTS}
      where r.id = any(${withCharts("$3")}) and ${reached("r.id", 1)}
      order by r.updated_at desc, r.id desc`;

const IDS_WITH_CHARTS = `select r.id from patients r
      where r.id = any(${withCharts("$3")}) and ${reached("r.id", 1)}`;

/** Charts that are looked at for one person. */
const MAX_ALIKE = 21;

const OF_IDS = `${PATIENTS}
      where r.id = any($1::uuid[]) and ${reached("r.id", 2)}`;

// Lists differ in length, so each travels as text.
const ALIKE = `${SELECT}, x.place::int as place, ${isVouched("r")} as vouched
       from unnest($1::text[], $2::text[]) with ordinality as x (national, named, place)
       cross join lateral (select ${withCharts("x.named")} as ids) n
       cross join lateral (
             select r.* from patients r
              where ${reached("r.id", 3)}
                and (r.national_id_token = any(x.national::bytea[]) or r.id = any(n.ids))
              limit ${MAX_ALIKE}) r
       join subject_keys k on k.subject_id = r.id`;

/** The patient record that belongs to the actor's own account, or null. */
export async function findOwnPatient(db: Db, context: Context, actor: Actor): Promise<Found<Patient> | null> {
  const { userId } = reachOf(actor, "patient:read");
  const { rows } = await db.query<SealedRow>(OWN, [userId]);
  return rows[0] ? patients.open(context.keyring, rows[0]) : null;
}

/** The patients that the actor may read, changed last first: at most `limit`, after `after`. */
export async function listPatients(
  db: Db,
  context: Context,
  actor: Actor,
  filter: Pick<PatientListQuery, "careTeamOf" | "updatedSince">,
  after: Position | null,
  limit: number,
): Promise<Found<Patient>[]> {
  const { scope, userId } = reachOf(actor, "patient:read");
  const values = [filter.updatedSince, after?.at, after?.id, limit];
  const { rows } =
    scope === "any" && filter.careTeamOf === undefined
      ? await db.query<SealedRow>(LIST_ANY, values)
      : await db.query<SealedRow>(LIST_IN_PANEL, [...values, scope, userId, filter.careTeamOf]);
  return rows.map((row) => patients.open(context.keyring, row));
}

/**
 * Where those stand in the list whose national id has one of these tokens, of the actor's patients:
 * at most `limit`, after `after`.
 */
export async function findByNationalId(
  db: Db,
  actor: Actor,
  tokens: readonly Buffer[],
  after: Position | null,
  limit: number,
): Promise<Position[]> {
  const { scope, userId } = reachOf(actor, "patient:search");
  const values = [scope, userId, tokens, after?.at, after?.id, limit];
  const { rows } = await db.query<{ id: string; updated_at: Date }>(OF_NATIONAL_ID, values);
  return rows.map(({ id, updated_at }) => ({ id, at: updated_at.toISOString() }));
}

/**
 * Those of these patients whom the actor reaches, and every patient of the merged charts that they
 * are in, in the order of the list. Without any, it asks nothing.
 */
export async function findWithCharts(
  db: Db,
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  ids: readonly string[],
): Promise<Found<Patient>[]> {
  const { scope, userId } = reachOf(actor, permission);
  if (ids.length === 0) return [];
  const { rows } = await db.query<SealedRow>(ROWS_WITH_CHARTS, [scope, userId, ids]);
  return rows.map((row) => patients.open(context.keyring, row));
}

/** As findWithCharts, their ids alone. */
export async function findIdsWithCharts(
  db: Db,
  actor: Actor,
  permission: ResourceAction,
  ids: readonly string[],
): Promise<string[]> {
  const { scope, userId } = reachOf(actor, permission);
  if (ids.length === 0) return [];
  const { rows } = await db.query<{ id: string }>(IDS_WITH_CHARTS, [scope, userId, ids]);
  return rows.map(({ id }) => id);
}

/**
 * Whether another patient of the merged chart is linked to an account. Asked once the patient is
 * locked: a merge that was faster is seen.
 */
export async function isLinkedByMerge(tx: Tx, actor: Actor, { id }: Patient): Promise<boolean> {
  reachOf(actor, "patient:write");
  const { rows } = await tx.query<{ linked: boolean }>(
    `select exists (select from patient_merges x join patient_merges y on y.into_id = x.into_id
                      join patients p on p.id = y.from_id
                     where x.from_id = $1 and p.id <> $1 and p.user_id is not null) as linked`,
    [id],
  );
  return rows[0]?.linked === true;
}

/**
 * Notes whose account a patient's record is from now on, where a restore rewinds nothing: it goes
 * to nobody who lost it since the backup.
 */
export async function noteLink(tx: Tx, actor: Actor, { id, userId }: Patient): Promise<void> {
  reachOf(actor, "patient:write");
  await tx.query(
    `insert into account_links (patient_id, user_id, changed_at) values ($1, $2, now())
     on conflict (patient_id) do update set user_id = excluded.user_id, changed_at = excluded.changed_at`,
    [id, userId],
  );
}

/** A patient, and the key to seal what is about them. */
export interface Chart {
  patient: Found<Patient>;
  subjectKey: Buffer;
}

/** Those of these patients whom the actor reaches with this permission. */
export async function findPatients(
  db: Db,
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  ids: readonly string[],
): Promise<Chart[]> {
  const { scope, userId } = reachOf(actor, permission);
  if (ids.length === 0) return [];
  const { rows } = await db.query<SealedRow>(OF_IDS, [ids, scope, userId]);
  return rows.map((row) => chartOf(context, row));
}

/** By what charts are looked for that may be somebody's. */
export interface Alike {
  nationalIds: readonly string[];
  /** Who may be of the same name and birth date, as the index says. */
  namesakes: readonly string[];
}

/**
 * For each of some people, in their order, charts in the actor's reach that may be theirs: of one
 * of the numbers, or one of these namesakes. Each is to be checked once opened; at most 21 for one,
 * and none by an index that is not in place. `vouched`: staff answers for who it is.
 */
export async function findAlike(
  db: Db,
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  query: IndexQuery,
  people: readonly Alike[],
): Promise<(Chart & { vouched: boolean })[][]> {
  const { scope, userId } = reachOf(actor, permission);
  const national = people.map(({ nationalIds }) =>
    bytesOf(query.exact("national_id", ...nationalIds.flatMap(spellingsOf)) ?? []),
  );
  const named = people.map(({ namesakes }) => `{${namesakes.join(",")}}`);
  const found = people.map((): (Chart & { vouched: boolean })[] => []);
  if ([...national, ...named].every((list) => list === "{}")) return found;
  const { rows } = await db.query<SealedRow & { place: number; vouched: boolean }>(ALIKE, [
    national,
    named,
    scope,
    userId,
  ]);
  for (const row of rows) {
    found[row.place - 1]?.push({ ...chartOf(context, row), vouched: row.vouched });
  }
  return found;
}

const chartOf = ({ keyring }: Context, row: SealedRow): Chart => ({
  patient: patients.open(keyring, row),
  subjectKey: row.subject_key,
});

/** A `bytea[]` as text. */
const bytesOf = (tokens: readonly Buffer[]): string =>
  `{${tokens.map((token) => `"\\\\x${token.toString("hex")}"`).join(",")}}`;
