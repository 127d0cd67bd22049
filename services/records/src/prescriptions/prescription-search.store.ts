import type { Actor, PrescriptionSearch } from "@medvault/contracts";
import type { SealedRow } from "@medvault/keys";
import type { Db } from "@medvault/postgres";
import type { Chart } from "../access/access.store.ts";
import { inChart, patientsInReach, reached, reachOf } from "../access/reach.ts";
import type { Context } from "../context.ts";
import { findChartMates } from "../patients/patient.store.ts";
import { patients } from "../patients/patient.table.ts";
import type { Patient } from "../patients/patient.ts";
import { CHART } from "../resources/chart.ts";
import type { Found } from "../resources/damaged-row.ts";
import type { Batch } from "../resources/page-filling.ts";
import type { Position } from "../resources/paging.ts";
import { columnsOf } from "../resources/statement.ts";
import { prescriptions } from "./prescription.table.ts";
import type { Prescription } from "./prescription.ts";

/** A candidate of a search, with the box of its patient's row, for the name to be checked. */
export interface Candidate {
  prescription: Found<Prescription>;
  patientRow: SealedRow;
  /** All patients of the merged chart that it is in. */
  mates: readonly Found<Patient>[];
}

/** What to look for. Null: there are no such tokens, so every row is a candidate. */
export interface SearchTokens {
  medication: string[] | null;
  medicationAdded: string[] | null;
  name: readonly string[] | null;
  nameAdded: string[] | null;
}

const BY_MEDICATION = `($1::bigint[] is null or x.medication_tokens @> $1)
       and ($10::text[] is null or (x.added_tokens <> '{}' and x.added_tokens @> $10))`;
const BY_NAME = `($2::bigint[] is null or n.name_tokens @> $2)
       and ($11::text[] is null or (n.added_tokens <> '{}' and n.added_tokens @> $11))`;
const FILTERED = `${inChart("x.patient_id", 3)}
       and ($4::date is null or x.start_date >= $4) and ($5::date is null or x.start_date <= $5)
       and ($6::text is null or x.status = $6)
       and ($7::date is null or (x.start_date, x.id) < ($7, $8::uuid))
     order by x.start_date desc, x.id desc limit $9`;
const IN_REACH = patientsInReach("$12", "$13");
const BY_MERGED_NAME = "patients_by_merged_name($2::bigint[], $11::text[])";

// Each arm is filtered, ordered and cut by itself: the first rows of both together are among the
// first of each. So an everyday part of a word reads the newest rows in order, and a rare one goes
// by the tokens' index. Two statements, as for lists: all patients', or from the few of one person.
const HITS_ANY = `
    (select x.id, x.start_date from prescriptions x
      where ${BY_MEDICATION} and ${FILTERED})
    union
    (select x.id, x.start_date from patients n join prescriptions x on x.patient_id = n.id
      where ${BY_NAME} and ${FILTERED})
    union
    (select x.id, x.start_date from ${BY_MERGED_NAME} n (id) join prescriptions x on x.patient_id = n.id
      where ${FILTERED})
    order by start_date desc, id desc limit $9`;
const HITS_IN_REACH = `
    (select x.id, x.start_date from ${IN_REACH} a join prescriptions x on x.patient_id = a.patient_id
      where ${BY_MEDICATION} and ${FILTERED})
    union
    (select x.id, x.start_date
       from ${IN_REACH} a join patients n on n.id = a.patient_id join prescriptions x on x.patient_id = n.id
      where ${BY_NAME} and ${FILTERED})
    union
    (select x.id, x.start_date
       from ${IN_REACH} a join ${BY_MERGED_NAME} n (id) on n.id = a.patient_id
       join prescriptions x on x.patient_id = n.id
      where ${FILTERED})
    order by start_date desc, id desc limit $9`;

const PATIENT = "of_";
const OPENED = `
    ${prescriptions.statements.select},
           ${columnsOf(patients.layout, "n", PATIENT)}
      from prescriptions r join patients n on n.id = r.patient_id join subject_keys k on k.subject_id = r.patient_id
     where r.id = any($1::uuid[]) and ${reached("r.patient_id", 2)}
     order by r.start_date desc, r.id desc`;

/**
 * Those of the actor's prescriptions whose medication or whose patient's name may hold the part:
 * each is to be checked once opened, because tokens are shared. Latest start first, at most
 * `limit`, after `after`. Of one chart, or of all.
 */
export async function findCandidates(
  db: Db,
  context: Context,
  actor: Actor,
  tokens: SearchTokens,
  chart: Chart | null,
  filter: Pick<PrescriptionSearch, "from" | "to" | "status">,
  after: Position | null,
  limit: number,
): Promise<Batch<Candidate>> {
  const { scope, userId } = reachOf(actor, "prescription:search");
  const { from, to, status } = filter;
  const { medication, name, medicationAdded, nameAdded } = tokens;
  const narrowed = [chart, from, to, status, after?.at, after?.id, limit];
  const values = [medication, name, ...narrowed, medicationAdded, nameAdded];
  const hits =
    scope === "any"
      ? await db.query<{ id: string }>(HITS_ANY, values)
      : await db.query<{ id: string }>(HITS_IN_REACH, [...values, userId, scope]);
  const ids = hits.rows.map((row) => row.id);
  const candidates = await openCandidates(db, context, actor, ids);
  const merged = candidates.flatMap(({ prescription }) =>
    prescription[CHART] ? [prescription.patientId] : [],
  );
  const mates = await findChartMates(db, context, actor, "prescription:search", merged);
  const matesOf = ({ prescription }: Candidate) =>
    prescription[CHART] ? mates.filter((one) => one[CHART]?.id === prescription[CHART]?.id) : [];
  return {
    candidates: candidates.map((one) => ({ ...one, mates: matesOf(one) })),
    isFull: ids.length === limit,
  };
}

/**
 * These prescriptions, of those that the actor reaches, each with its patient's row; in the order
 * of the list.
 */
async function openCandidates(
  db: Db,
  context: Context,
  actor: Actor,
  ids: readonly string[],
): Promise<Candidate[]> {
  if (ids.length === 0) return [];
  const { scope, userId } = reachOf(actor, "prescription:search");
  const { rows } = await db.query<SealedRow>(OPENED, [ids, scope, userId]);
  return rows.map((row) => ({
    prescription: prescriptions.open(context.keyring, row),
    patientRow: { ...withoutPrefix(row), subject_key: row.subject_key } as SealedRow,
    mates: [],
  }));
}

const withoutPrefix = (row: SealedRow): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(row).flatMap(([name, value]) =>
      name.startsWith(PATIENT) ? [[name.slice(PATIENT.length), value]] : [],
    ),
  );
