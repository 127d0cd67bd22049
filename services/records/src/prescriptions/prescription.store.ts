import type { Actor, PrescriptionListQuery, ResourceAction } from "@medvault/contracts";
import type { Sealed, SealedRow } from "@medvault/keys";
import type { Db, Tx } from "@medvault/postgres";
import { reachOf } from "../access/reach.ts";
import type { Context } from "../context.ts";
import type { Position } from "../paging.ts";
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
                                medication_tokens, added_tokens, rev, open, sealed)
     select id, patient_id, prescribed_by, status, start_date, end_date, created_at, updated_at, tokens::bigint[],
            added::text[], rev, open, sealed
       from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::date[], $6::date[], $7::timestamptz[],
                   $8::timestamptz[], $9::text[], $10::text[], $11::int[], $12::jsonb[], $13::bytea[])
            as x (id, patient_id, prescribed_by, status, start_date, end_date, created_at, updated_at, tokens, added, rev,
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
      // A field's name, a slash, and digits or base64url: nothing that would have to be quoted.
      tokens.map(({ added_tokens }) => `{${(added_tokens as string[]).join(",")}}`),
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
            sealed = $9, added_tokens = $12
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
      tokens.added_tokens,
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
