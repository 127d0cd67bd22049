import type { Actor, PrescriptionListQuery, ResourceAction } from "@medvault/contracts";
import type { Sealed, SealedRow } from "@medvault/keys";
import type { Db, Tx } from "@medvault/postgres";
import { reachOf } from "../access/reach.ts";
import type { Context } from "../context.ts";
import type { Position } from "../paging.ts";
import type { Batch } from "../search.ts";
import { prescriptions } from "./prescription.table.ts";
import type { Prescription } from "./prescription.ts";

export type Filter = Pick<PrescriptionListQuery, "from" | "to" | "patientId" | "status">;

/** A prescription of a patient whom the actor reaches with this permission, or null. */
export async function findPrescription(
  db: Db,
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  id: string,
): Promise<Prescription | null> {
  const { scope, userId } = reachOf(actor, permission);
  const { rows } = await db.query<SealedRow>(
    `select p.id, p.patient_id, p.prescribed_by, p.status, p.start_date, p.end_date, p.created_at, p.updated_at,
            p.rev, p.open, p.sealed, k.wrapped as subject_key
       from prescriptions p join subject_keys k on k.subject_id = p.patient_id
      where p.id = $1
        and ($2 = 'any' or exists (select from patient_access a
              where a.patient_id = p.patient_id and a.user_id = $3 and a.scope = $2))`,
    [id, scope, userId],
  );
  return rows[0] ? prescriptions.open(context.keyring, rows[0]) : null;
}

/** As findPrescription, locked until the transaction ends, with the key to seal it anew. */
export async function findPrescriptionForUpdate(
  tx: Tx,
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  id: string,
): Promise<{ prescription: Prescription; subjectKey: Buffer } | null> {
  const { scope, userId } = reachOf(actor, permission);
  const { rows } = await tx.query<SealedRow>(
    `select p.id, p.patient_id, p.prescribed_by, p.status, p.start_date, p.end_date, p.created_at, p.updated_at,
            p.rev, p.open, p.sealed, k.wrapped as subject_key
       from prescriptions p join subject_keys k on k.subject_id = p.patient_id
      where p.id = $1
        and ($2 = 'any' or exists (select from patient_access a
              where a.patient_id = p.patient_id and a.user_id = $3 and a.scope = $2))
        for update of p`,
    [id, scope, userId],
  );
  const row = rows[0];
  return row ? { prescription: prescriptions.open(context.keyring, row), subjectKey: row.subject_key } : null;
}

/**
 * The prescriptions that the actor may read, latest start first: at most `limit`, after `after`. Of a few patients
 * each one's latest are read by index and merged, so that a page costs the same at any depth and in any table.
 */
export async function listPrescriptions(
  db: Db,
  context: Context,
  actor: Actor,
  filter: Filter,
  after: Position | null,
  limit: number,
): Promise<Prescription[]> {
  const { scope, userId } = reachOf(actor, "prescription:read");
  const values = [filter.patientId, filter.from, filter.to, filter.status, after?.at, after?.id, limit];
  const { rows } =
    scope === "any"
      ? await db.query<SealedRow>(
          `select p.id, p.patient_id, p.prescribed_by, p.status, p.start_date, p.end_date, p.created_at, p.updated_at,
                  p.rev, p.open, p.sealed, k.wrapped as subject_key
             from prescriptions p join subject_keys k on k.subject_id = p.patient_id
            where ($1::uuid is null or p.patient_id = $1)
              and ($2::date is null or p.start_date >= $2) and ($3::date is null or p.start_date <= $3)
              and ($4::text is null or p.status = $4)
              and ($5::date is null or (p.start_date, p.id) < ($5, $6::uuid))
            order by p.start_date desc, p.id desc limit $7`,
          values,
        )
      : await db.query<SealedRow>(
          `with page as (
             select p.* from patient_access a
              cross join lateral (
                    select x.* from prescriptions x
                     where x.patient_id = a.patient_id
                       and ($2::date is null or x.start_date >= $2) and ($3::date is null or x.start_date <= $3)
                       and ($4::text is null or x.status = $4)
                       and ($5::date is null or (x.start_date, x.id) < ($5, $6::uuid))
                     order by x.start_date desc, x.id desc limit $7) p
              where a.user_id = $8 and a.scope = $9 and ($1::uuid is null or a.patient_id = $1)
              order by p.start_date desc, p.id desc limit $7)
           select p.id, p.patient_id, p.prescribed_by, p.status, p.start_date, p.end_date, p.created_at, p.updated_at,
                  p.rev, p.open, p.sealed, k.wrapped as subject_key
             from page p join subject_keys k on k.subject_id = p.patient_id
            order by p.start_date desc, p.id desc`,
          [...values, userId, scope],
        );
  return rows.map((row) => prescriptions.open(context.keyring, row));
}

/** A candidate of a search, with the box of its patient's row, for the name to be checked. */
export interface Candidate {
  prescription: Prescription;
  patientRow: SealedRow;
}

/**
 * Those of the actor's prescriptions whose medication or whose patient's name may hold the part: each is to be
 * checked once opened, because tokens are shared. Latest start first, at most `limit`, after `after`.
 */
export async function findCandidates(
  db: Db,
  context: Context,
  actor: Actor,
  tokens: { medication: string[]; name: string[] },
  filter: Filter,
  after: Position | null,
  limit: number,
): Promise<Batch<Candidate>> {
  const { scope, userId } = reachOf(actor, "prescription:search");
  const { patientId, from, to, status } = filter;
  const values = [tokens.medication, tokens.name, patientId, from, to, status, after?.at, after?.id, limit];
  // Each arm is filtered, ordered and cut by itself: the first rows of both together are among the first of each. So
  // an everyday part of a word reads the newest rows in order, and a rare one goes by the tokens' index. Two
  // statements, as for lists: all patients', or from the few of one person.
  const hits =
    scope === "any"
      ? await db.query<{ id: string }>(
          `(select x.id, x.start_date from prescriptions x
             where x.medication_tokens @> $1::bigint[]
               and ($3::uuid is null or x.patient_id = $3)
               and ($4::date is null or x.start_date >= $4) and ($5::date is null or x.start_date <= $5)
               and ($6::text is null or x.status = $6)
               and ($7::date is null or (x.start_date, x.id) < ($7, $8::uuid))
             order by x.start_date desc, x.id desc limit $9)
           union
           (select x.id, x.start_date from patients n join prescriptions x on x.patient_id = n.id
             where n.name_tokens @> $2::bigint[]
               and ($3::uuid is null or x.patient_id = $3)
               and ($4::date is null or x.start_date >= $4) and ($5::date is null or x.start_date <= $5)
               and ($6::text is null or x.status = $6)
               and ($7::date is null or (x.start_date, x.id) < ($7, $8::uuid))
             order by x.start_date desc, x.id desc limit $9)
           order by start_date desc, id desc limit $9`,
          values,
        )
      : await db.query<{ id: string }>(
          `(select x.id, x.start_date from patient_access a join prescriptions x on x.patient_id = a.patient_id
             where a.user_id = $10 and a.scope = $11
               and x.medication_tokens @> $1::bigint[]
               and ($3::uuid is null or x.patient_id = $3)
               and ($4::date is null or x.start_date >= $4) and ($5::date is null or x.start_date <= $5)
               and ($6::text is null or x.status = $6)
               and ($7::date is null or (x.start_date, x.id) < ($7, $8::uuid))
             order by x.start_date desc, x.id desc limit $9)
           union
           (select x.id, x.start_date
              from patient_access a join patients n on n.id = a.patient_id join prescriptions x on x.patient_id = n.id
             where a.user_id = $10 and a.scope = $11
               and n.name_tokens @> $2::bigint[]
               and ($3::uuid is null or x.patient_id = $3)
               and ($4::date is null or x.start_date >= $4) and ($5::date is null or x.start_date <= $5)
               and ($6::text is null or x.status = $6)
               and ($7::date is null or (x.start_date, x.id) < ($7, $8::uuid))
             order by x.start_date desc, x.id desc limit $9)
           order by start_date desc, id desc limit $9`,
          [...values, userId, scope],
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

/** Stores new prescriptions, in one statement. That the actor reaches their patient, the caller found in this transaction. */
export async function insertPrescriptions(
  tx: Tx,
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  values: readonly Prescription[],
  boxes: readonly Sealed[],
): Promise<void> {
  reachOf(actor, permission);
  if (values.length === 0) return;
  const tokens = await context.indexes.prescriptions.tokensOfAll(tx, values);
  await tx.query(
    `insert into prescriptions (id, patient_id, prescribed_by, status, start_date, end_date, created_at, updated_at,
                                medication_tokens, rev, open, sealed)
     select id, patient_id, prescribed_by, status, start_date, end_date, created_at, updated_at, tokens::bigint[], rev,
            open, sealed
       from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::date[], $6::date[], $7::timestamptz[],
                   $8::timestamptz[], $9::text[], $10::int[], $11::jsonb[], $12::bytea[])
            as x (id, patient_id, prescribed_by, status, start_date, end_date, created_at, updated_at, tokens, rev,
                  open, sealed)`,
    [
      values.map((p) => p.id),
      values.map((p) => p.patientId),
      values.map((p) => p.prescribedBy),
      values.map((p) => p.status),
      values.map((p) => p.startDate),
      values.map((p) => p.endDate),
      values.map((p) => p.createdAt),
      values.map((p) => p.updatedAt),
      // Arrays of arrays are rectangular in Postgres; these differ in length, so each travels as text.
      tokens.map(({ medication }) => `{${(medication as string[]).join(",")}}`),
      values.map((p) => p.rev),
      boxes.map((b) => JSON.stringify(b.open)),
      boxes.map((b) => b.sealed),
    ],
  );
}

/** Replaces a prescription that was locked at the revision before. False when somebody was faster. */
export async function updatePrescription(
  tx: Tx,
  context: Context,
  actor: Actor,
  prescription: Prescription,
  { open, sealed }: Sealed,
): Promise<boolean> {
  const { scope, userId } = reachOf(actor, "prescription:write");
  const tokens = await context.indexes.prescriptions.tokens(tx, prescription);
  const { rowCount } = await tx.query(
    `update prescriptions p
        set status = $2, start_date = $3, end_date = $4, updated_at = $5, medication_tokens = $6, rev = $7, open = $8,
            sealed = $9
      where p.id = $1 and p.rev = $7 - 1
        and ($10 = 'any' or exists (select from patient_access a
              where a.patient_id = p.patient_id and a.user_id = $11 and a.scope = $10))`,
    [
      prescription.id,
      prescription.status,
      prescription.startDate,
      prescription.endDate,
      prescription.updatedAt,
      tokens.medication,
      prescription.rev,
      open,
      sealed,
      scope,
      userId,
    ],
  );
  return rowCount === 1;
}

/** Deletes a prescription at this revision. False when somebody was faster. */
export async function deletePrescription(tx: Tx, actor: Actor, id: string, rev: number): Promise<boolean> {
  const { scope, userId } = reachOf(actor, "prescription:delete");
  const { rowCount } = await tx.query(
    `delete from prescriptions p
      where p.id = $1 and p.rev = $2
        and ($3 = 'any' or exists (select from patient_access a
              where a.patient_id = p.patient_id and a.user_id = $4 and a.scope = $3))`,
    [id, rev, scope, userId],
  );
  return rowCount === 1;
}
