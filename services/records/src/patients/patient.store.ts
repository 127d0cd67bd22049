import type { Actor, PatientListQuery, ResourceAction } from "@medvault/contracts";
import type { IndexQuery, SealedRow } from "@medvault/keys";
import type { Db, Tx } from "@medvault/postgres";
import {
  FEW_PATIENTS,
  isMergedAway,
  isVouched,
  mergedChart,
  patientsInReach,
  reached,
  reachOf,
} from "../access/reach.ts";
import type { Context } from "../context.ts";
import type { Found } from "../resources/damaged-row.ts";
import type { Position } from "../resources/paging.ts";
import {
  OWN_PARAMETER,
  pageCtes,
  pageOfPanel,
  parametersOf,
  type Rows,
  rowsOf,
  withOnePlan,
} from "../resources/reached-rows.ts";
import { selectOf } from "../resources/statement.ts";
import { spellingsOf } from "./national-id.ts";
import { patients } from "./patient.table.ts";
import type { Patient } from "./patient.ts";

const { select: SELECT, rows: PATIENTS } = patients.statements;

const OWN = `${PATIENTS}
      where r.id = (select coalesce(m.into_id, p.id) from patients p left join patient_merges m on m.from_id = p.id
                     where p.user_id = $1)`;

/** Of merged charts the surviving one stands for all. */
const listed = (conditions: readonly string[]): Rows => ({
  table: "patients",
  patientId: "r.id",
  by: "r.updated_at",
  direction: "desc",
  conditions: [`not ${isMergedAway("r.id")}`, ...conditions],
});

const inTeam = (at: number): string =>
  `((select true from care_team c where c.patient_id = r.id and c.user_id = $${at}::uuid limit 1)
              or ${mergedChart("r.id")} is not null and reached_otherwise(r.id, $${at}::uuid, 'lasting'))`;

/**
 * A page's statement; `ofTeam`: of one care team, among the asker's own patients where there are
 * fewer of these. Parameters: limit, scope, user (but for everyone's), then what is given of: whose
 * team, since when, the last row's time and id.
 */
function listOf(of: "everyone" | "reach", ofTeam: boolean, isSince: boolean, isAfter: boolean): string {
  const key = JSON.stringify([of, ofTeam, isSince, isAfter]);
  const text = lists.get(key) ?? withOnePlan(newListOf(of, ofTeam, isSince, isAfter));
  lists.set(key, text);
  return text;
}
const lists = new Map<string, string>();

function newListOf(of: "everyone" | "reach", ofTeam: boolean, isSince: boolean, isAfter: boolean): string {
  const team = OWN_PARAMETER[of];
  const since = team + Number(ofTeam);
  const after = since + Number(isSince);
  const rows = listed([
    ...(isSince ? [`r.updated_at >= $${since}::timestamptz`] : []),
    ...(isAfter ? [`(r.updated_at, r.id) < ($${after}::timestamptz, $${after + 1}::uuid)`] : []),
  ]);
  return `with ${ofTeam ? pageOfTeam(of, rows, team) : pageCtes(of, rows)}
     ${selectOf(patients.layout, 2)}
       from ${rowsOf("page", rows)}
      order by page.at desc, page.id desc`;
}

function pageOfTeam(of: "everyone" | "reach", rows: Rows, team: number): string {
  const theirs = patientsInReach(`$${team}::uuid`, "'lasting'");
  if (of === "everyone") {
    const isInPanel = [`$2 = 'any'`, inTeam(team)].join(" and ");
    return pageOfPanel(rows, { panel: theirs, isInPanel });
  }
  const mine = patientsInReach("$3", "$2");
  const isBoth = (id: string) => [reached(id, 2), inTeam(team).replaceAll("r.id", id)].join(" and ");
  const few = `(select count(*) <= ${FEW_PATIENTS} from (select from ${mine} m limit ${FEW_PATIENTS + 1}) f)`;
  const panel = `(select patient_id from ${mine} m where ${few}
               union all select patient_id from ${theirs} t where not ${few})`;
  return pageOfPanel(rows, {
    panel,
    isInPanel: isBoth("r.patient_id"),
    andOfPatient: isBoth("a.patient_id"),
  });
}

const OF_NATIONAL_ID = `select r.id, r.updated_at from patients r
      where r.national_id_token = any($3::bytea[]) and ${reached("r.id", 1)}
        and ($4::timestamptz is null or (r.updated_at, r.id) < ($4, $5::uuid))
      order by r.updated_at desc, r.id desc limit $6`;

/** The ids of these patients (an array) and of all in a merge with one of them. */
const withCharts = (ids: string): string =>
  `array(select i.id from unnest(${ids}::uuid[]) as i (id)
              union select o.from_id from unnest(${ids}::uuid[]) as i (id)
                     cross join lateral (select x.into_id from patient_merges x where x.from_id = i.id offset 0) m
                     cross join lateral (select y.from_id from patient_merges y where y.into_id = m.into_id offset 0) o)`;

const ROWS_WITH_CHARTS = `${selectOf(patients.layout, 1)}
       from patients r join subject_keys k on k.subject_id = r.id
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
  const reach = reachOf(actor, "patient:read");
  const of = reach.scope === "any" ? "everyone" : "reach";
  const { careTeamOf, updatedSince } = filter;
  const statement = listOf(of, careTeamOf !== undefined, updatedSince !== undefined, after !== null);
  const { rows } = await db.query<SealedRow>(statement, [
    ...parametersOf(of, limit, reach, null),
    ...[careTeamOf, updatedSince, after?.at, after?.id].filter((value) => value !== undefined),
  ]);
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
