import type { Actor, PatientListQuery, ResourceAction } from "@medvault/contracts";
import type { IndexQuery, SealedRow } from "@medvault/keys";
import type { Db, Tx } from "@medvault/postgres";
import { searchWords } from "@medvault/search";
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

const CANDIDATES = `${PATIENTS}
      where ${reached("r.id", 1)}
        and ($3::bigint[] is null or r.name_tokens @> $3)
        and ($4::bytea[] is null or r.national_id_token = any($4))
        and ($5::bytea[] is null or r.birth_date_token = any($5))
        and ($6::timestamptz is null or (r.updated_at, r.id) < ($6, $7::uuid))
        and ($9::text[] is null or (r.added_tokens <> '{}' and r.added_tokens @> $9))
      order by r.updated_at desc, r.id desc limit $8`;

const CHART_MATES = `${PATIENTS}
      where ${reached("r.id", 1)}
        and r.id in (select y.from_id from patient_merges x join patient_merges y on y.into_id = x.into_id
                      where x.from_id = any($3::uuid[]))
      order by r.updated_at desc, r.id desc`;

/** Charts that are looked at for one person. */
const MAX_ALIKE = 21;

const OF_IDS = `${PATIENTS}
      where r.id = any($1::uuid[]) and ${reached("r.id", 2)}`;

// Lists of tokens differ in length, so each travels as text.
const ALIKE = `${SELECT}, x.place::int as place, ${isVouched("r")} as vouched
       from unnest($1::text[], $2::text[], $3::text[]) with ordinality as x (national, born, named, place)
       cross join lateral (
             select r.* from patients r
              where ${reached("r.id", 4)}
                and (r.national_id_token = any(x.national::bytea[])
                     or (r.birth_date_token = any(x.born::bytea[]) and r.name_tokens @> x.named::bigint[]))
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
 * Tokens to look for, one of each list of exact ones; null where a search does not ask, or there
 * are none.
 */
export interface PatientTokens {
  name: string[] | null;
  nationalId: Buffer[] | null;
  birthDate: Buffer[] | null;
  added: string[] | null;
}

/**
 * Those of the actor's patients who may match: tokens are shared, so each is to be checked once
 * opened.
 */
export async function findCandidates(
  db: Db,
  context: Context,
  actor: Actor,
  tokens: PatientTokens,
  after: Position | null,
  limit: number,
): Promise<Found<Patient>[]> {
  const { scope, userId } = reachOf(actor, "patient:search");
  const { name, nationalId, birthDate, added } = tokens;
  const wanted = [name, nationalId, birthDate, after?.at, after?.id, limit, added];
  const { rows } = await db.query<SealedRow>(CANDIDATES, [scope, userId, ...wanted]);
  return rows.map((row) => patients.open(context.keyring, row));
}

/**
 * Every patient of the merged charts that these are in, in the order of the list. Without any, it
 * asks nothing.
 */
export async function findChartMates(
  db: Db,
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  patientIds: readonly string[],
): Promise<Found<Patient>[]> {
  if (patientIds.length === 0) return [];
  const { scope, userId } = reachOf(actor, permission);
  const { rows } = await db.query<SealedRow>(CHART_MATES, [scope, userId, patientIds]);
  return rows.map((row) => patients.open(context.keyring, row));
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

/** What is known of someone whose charts are looked for. */
export interface Sought {
  nationalIds: readonly string[];
  givenName: string;
  familyName: string;
  birthDate: string | null;
}

/**
 * For each of some people, in their order, charts in the actor's reach that may be theirs: of one
 * of the numbers, or of the same name and birth date. Each is to be checked once opened; at most 21
 * for one, and none by an index that is not in place. `vouched`: staff answers for who it is.
 */
export async function findAlike(
  db: Db,
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  query: IndexQuery,
  people: readonly Sought[],
): Promise<(Chart & { vouched: boolean })[][]> {
  const { scope, userId } = reachOf(actor, permission);
  const tokens = people.map(({ nationalIds, givenName, familyName, birthDate }) => {
    const words = searchWords(`${givenName} ${familyName}`);
    const named = words.flatMap((word) => query.substring("search_name", word) ?? []);
    const isKnown = birthDate !== null && named.length > 0;
    return {
      national: bytesOf(query.exact("national_id", ...nationalIds.flatMap(spellingsOf)) ?? []),
      born: bytesOf((isKnown && query.exact("birth_date", birthDate)) || []),
      named: `{${named.join(",")}}`,
    };
  });
  const found = people.map((): (Chart & { vouched: boolean })[] => []);
  if (people.length === 0) return found;
  const { rows } = await db.query<SealedRow & { place: number; vouched: boolean }>(ALIKE, [
    tokens.map(({ national }) => national),
    tokens.map(({ born }) => born),
    tokens.map(({ named }) => named),
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
