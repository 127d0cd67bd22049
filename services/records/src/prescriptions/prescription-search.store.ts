import type { Actor } from "@medvault/contracts";
import type { SealedRow } from "@medvault/keys";
import type { Db } from "@medvault/postgres";
import { reachOf } from "../access/reach.ts";
import type { Context } from "../context.ts";
import type { Position } from "../paging.ts";
import type { Batch } from "../search.ts";
import type { Filter } from "./prescription.store.ts";
import { prescriptions } from "./prescription.table.ts";
import type { Prescription } from "./prescription.ts";

/** A candidate of a search, with the box of its patient's row, for the name to be checked. */
export interface Candidate {
  prescription: Prescription;
  patientRow: SealedRow;
}

/** What to look for. Null: there are no such tokens, so every row is a candidate. */
export interface SearchTokens {
  medication: string[] | null;
  medicationAdded: string[] | null;
  name: string[] | null;
  nameAdded: string[] | null;
}

/**
 * Those of the actor's prescriptions whose medication or whose patient's name may hold the part: each is to be
 * checked once opened, because tokens are shared. Latest start first, at most `limit`, after `after`.
 */
export async function findCandidates(
  db: Db,
  context: Context,
  actor: Actor,
  tokens: SearchTokens,
  filter: Filter,
  after: Position | null,
  limit: number,
): Promise<Batch<Candidate>> {
  const { scope, userId } = reachOf(actor, "prescription:search");
  const { patientId, from, to, status } = filter;
  const { medication, medicationAdded, name, nameAdded } = tokens;
  const values = [medication, name, patientId, from, to, status, after?.at, after?.id, limit];
  // Each arm is filtered, ordered and cut by itself: the first rows of both together are among the first of each. So
  // an everyday part of a word reads the newest rows in order, and a rare one goes by the tokens' index. Two
  // statements, as for lists: all patients', or from the few of one person.
  const hits =
    scope === "any"
      ? await db.query<{ id: string }>(
          `(select x.id, x.start_date from prescriptions x
             where ($1::bigint[] is null or x.medication_tokens @> $1)
               and ($10::text[] is null or (x.added_tokens <> '{}' and x.added_tokens @> $10))
               and ($3::uuid is null or x.patient_id = $3)
               and ($4::date is null or x.start_date >= $4) and ($5::date is null or x.start_date <= $5)
               and ($6::text is null or x.status = $6)
               and ($7::date is null or (x.start_date, x.id) < ($7, $8::uuid))
             order by x.start_date desc, x.id desc limit $9)
           union
           (select x.id, x.start_date from patients n join prescriptions x on x.patient_id = n.id
             where ($2::bigint[] is null or n.name_tokens @> $2)
               and ($11::text[] is null or (n.added_tokens <> '{}' and n.added_tokens @> $11))
               and ($3::uuid is null or x.patient_id = $3)
               and ($4::date is null or x.start_date >= $4) and ($5::date is null or x.start_date <= $5)
               and ($6::text is null or x.status = $6)
               and ($7::date is null or (x.start_date, x.id) < ($7, $8::uuid))
             order by x.start_date desc, x.id desc limit $9)
           order by start_date desc, id desc limit $9`,
          [...values, medicationAdded, nameAdded],
        )
      : await db.query<{ id: string }>(
          `(select x.id, x.start_date from patient_access a join prescriptions x on x.patient_id = a.patient_id
             where a.user_id = $10 and a.scope = $11
               and ($1::bigint[] is null or x.medication_tokens @> $1)
               and ($12::text[] is null or (x.added_tokens <> '{}' and x.added_tokens @> $12))
               and ($3::uuid is null or x.patient_id = $3)
               and ($4::date is null or x.start_date >= $4) and ($5::date is null or x.start_date <= $5)
               and ($6::text is null or x.status = $6)
               and ($7::date is null or (x.start_date, x.id) < ($7, $8::uuid))
             order by x.start_date desc, x.id desc limit $9)
           union
           (select x.id, x.start_date
              from patient_access a join patients n on n.id = a.patient_id join prescriptions x on x.patient_id = n.id
             where a.user_id = $10 and a.scope = $11
               and ($2::bigint[] is null or n.name_tokens @> $2)
               and ($13::text[] is null or (n.added_tokens <> '{}' and n.added_tokens @> $13))
               and ($3::uuid is null or x.patient_id = $3)
               and ($4::date is null or x.start_date >= $4) and ($5::date is null or x.start_date <= $5)
               and ($6::text is null or x.status = $6)
               and ($7::date is null or (x.start_date, x.id) < ($7, $8::uuid))
             order by x.start_date desc, x.id desc limit $9)
           order by start_date desc, id desc limit $9`,
          [...values, userId, scope, medicationAdded, nameAdded],
        );
  const ids = hits.rows.map((row) => row.id);
  return { candidates: await openCandidates(db, context, actor, ids), isFull: ids.length === limit };
}

/** These prescriptions, of those that the actor reaches, each with its patient's row; in the order of the list. */
async function openCandidates(
  db: Db,
  context: Context,
  actor: Actor,
  ids: readonly string[],
): Promise<Candidate[]> {
  if (ids.length === 0) return [];
  const { scope, userId } = reachOf(actor, "prescription:search");
  const { rows } = await db.query<SealedRow & Record<`patient_${string}`, unknown>>(
    `select p.id, p.patient_id, p.prescribed_by, p.status, p.start_date, p.end_date, p.created_at, p.updated_at,
            p.rev, p.open, p.sealed, k.wrapped as subject_key,
            n.user_id as patient_user_id, n.created_by as patient_created_by, n.created_at as patient_created_at,
            n.updated_at as patient_updated_at, n.rev as patient_rev, n.open as patient_open,
            n.sealed as patient_sealed
       from prescriptions p
       join patients n on n.id = p.patient_id
       join subject_keys k on k.subject_id = p.patient_id
      where p.id = any($1::uuid[])
        and ($2 = 'any' or exists (select from patient_access a
              where a.patient_id = p.patient_id and a.user_id = $3 and a.scope = $2))
      order by p.start_date desc, p.id desc`,
    [ids, scope, userId],
  );
  return rows.map((row) => ({
    prescription: prescriptions.open(context.keyring, row),
    patientRow: {
      id: row.patient_id,
      user_id: row.patient_user_id,
      created_by: row.patient_created_by,
      created_at: row.patient_created_at,
      updated_at: row.patient_updated_at,
      rev: row.patient_rev as number,
      open: row.patient_open,
      sealed: row.patient_sealed as Buffer,
      subject_key: row.subject_key,
    },
  }));
}
