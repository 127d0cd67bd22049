import type { Actor, ResourceAction } from "@medvault/contracts";
import type { Sealed, SealedRow } from "@medvault/keys";
import type { Db, Tx } from "@medvault/postgres";
import { reachOf } from "../access/reach.ts";
import type { Context } from "../context.ts";
import type { Position } from "../paging.ts";
import { medicalRecords, pastVersions } from "./record.table.ts";
import { MAX_VERSIONS, type MedicalRecord, type PastVersion } from "./record.ts";

/** A record of a patient whom the actor reaches with this permission, hidden ones too; or null. */
export async function findRecord(
  db: Db,
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  id: string,
): Promise<MedicalRecord | null> {
  const { scope, userId } = reachOf(actor, permission);
  const { rows } = await db.query<SealedRow>(
    `select r.id, r.patient_id, r.author_id, r.version, r.occurred_at, r.created_at, r.updated_at, r.hidden_at,
            r.rev, r.open, r.sealed, k.wrapped as subject_key
       from medical_records r join subject_keys k on k.subject_id = r.patient_id
      where r.id = $1
        and ($2 = 'any' or exists (select from patient_access a
              where a.patient_id = r.patient_id and a.user_id = $3 and a.scope = $2))`,
    [id, scope, userId],
  );
  return rows[0] ? medicalRecords.open(context.keyring, rows[0]) : null;
}

/** As findRecord, locked until the transaction ends, with the key to seal it anew. */
export async function findRecordForUpdate(
  tx: Tx,
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  id: string,
): Promise<{ record: MedicalRecord; subjectKey: Buffer } | null> {
  const { scope, userId } = reachOf(actor, permission);
  const { rows } = await tx.query<SealedRow>(
    `select r.id, r.patient_id, r.author_id, r.version, r.occurred_at, r.created_at, r.updated_at, r.hidden_at,
            r.rev, r.open, r.sealed, k.wrapped as subject_key
       from medical_records r join subject_keys k on k.subject_id = r.patient_id
      where r.id = $1
        and ($2 = 'any' or exists (select from patient_access a
              where a.patient_id = r.patient_id and a.user_id = $3 and a.scope = $2))
        for update of r`,
    [id, scope, userId],
  );
  const row = rows[0];
  return row ? { record: medicalRecords.open(context.keyring, row), subjectKey: row.subject_key } : null;
}

/** A patient's records that are not hidden, latest first: at most `limit`, after `after`. */
export async function listRecords(
  db: Db,
  context: Context,
  actor: Actor,
  patientId: string,
  after: Position | null,
  limit: number,
): Promise<MedicalRecord[]> {
  const { scope, userId } = reachOf(actor, "record:read");
  const { rows } = await db.query<SealedRow>(
    `select r.id, r.patient_id, r.author_id, r.version, r.occurred_at, r.created_at, r.updated_at, r.hidden_at,
            r.rev, r.open, r.sealed, k.wrapped as subject_key
       from medical_records r join subject_keys k on k.subject_id = r.patient_id
      where r.patient_id = $1 and r.hidden_at is null
        and ($2 = 'any' or exists (select from patient_access a
              where a.patient_id = $1 and a.user_id = $3 and a.scope = $2))
        and ($4::timestamptz is null or (r.occurred_at, r.id) < ($4, $5::uuid))
      order by r.occurred_at desc, r.id desc limit $6`,
    [patientId, scope, userId, after?.at, after?.id, limit],
  );
  return rows.map((row) => medicalRecords.open(context.keyring, row));
}

/** The versions that a record had before its present one, newest first. */
export async function listPastVersions(
  db: Db,
  context: Context,
  actor: Actor,
  recordId: string,
): Promise<PastVersion[]> {
  const { scope, userId } = reachOf(actor, "record:read");
  const { rows } = await db.query<SealedRow>(
    `select v.id, v.record_id, v.patient_id, v.author_id, v.version, v.occurred_at, v.created_at, v.updated_at,
            v.rev, v.open, v.sealed, k.wrapped as subject_key
       from medical_record_versions v join subject_keys k on k.subject_id = v.patient_id
      where v.record_id = $1
        and ($2 = 'any' or exists (select from patient_access a
              where a.patient_id = v.patient_id and a.user_id = $3 and a.scope = $2))
      order by v.version desc limit $4`,
    [recordId, scope, userId, MAX_VERSIONS],
  );
  return rows.map((row) => pastVersions.open(context.keyring, row));
}

/** Stores new records, in one statement. That the actor reaches their patient, the caller has found in this transaction. */
export async function insertRecords(
  tx: Tx,
  actor: Actor,
  permission: ResourceAction,
  records: readonly MedicalRecord[],
  boxes: readonly Sealed[],
): Promise<void> {
  reachOf(actor, permission);
  if (records.length === 0) return;
  await tx.query(
    `insert into medical_records (id, patient_id, author_id, version, occurred_at, created_at, updated_at, hidden_at,
                                  rev, open, sealed)
     select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::timestamptz[], $6::timestamptz[],
                          $7::timestamptz[], $8::timestamptz[], $9::int[], $10::jsonb[], $11::bytea[])`,
    [
      records.map((r) => r.id),
      records.map((r) => r.patientId),
      records.map((r) => r.authorId),
      records.map((r) => r.version),
      records.map((r) => r.occurredAt),
      records.map((r) => r.createdAt),
      records.map((r) => r.updatedAt),
      records.map((r) => r.hiddenAt),
      records.map((r) => r.rev),
      boxes.map((b) => JSON.stringify(b.open)),
      boxes.map((b) => b.sealed),
    ],
  );
}

/** Replaces a record that was locked at the revision before. False when somebody was faster. */
export async function updateRecord(
  tx: Tx,
  actor: Actor,
  permission: ResourceAction,
  record: MedicalRecord,
  { open, sealed }: Sealed,
): Promise<boolean> {
  const { scope, userId } = reachOf(actor, permission);
  const { rowCount } = await tx.query(
    `update medical_records r
        set author_id = $2, version = $3, occurred_at = $4, updated_at = $5, hidden_at = $6, rev = $7, open = $8,
            sealed = $9
      where r.id = $1 and r.rev = $7 - 1
        and ($10 = 'any' or exists (select from patient_access a
              where a.patient_id = r.patient_id and a.user_id = $11 and a.scope = $10))`,
    [
      record.id,
      record.authorId,
      record.version,
      record.occurredAt,
      record.updatedAt,
      record.hiddenAt,
      record.rev,
      open,
      sealed,
      scope,
      userId,
    ],
  );
  return rowCount === 1;
}

/** Keeps a version that is being replaced. */
export async function insertPastVersion(
  tx: Tx,
  actor: Actor,
  version: PastVersion,
  { open, sealed }: Sealed,
): Promise<void> {
  reachOf(actor, "record:write");
  await tx.query(
    `insert into medical_record_versions (id, record_id, patient_id, author_id, version, occurred_at, created_at,
                                          updated_at, rev, open, sealed)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
    [
      version.id,
      version.recordId,
      version.patientId,
      version.authorId,
      version.version,
      version.occurredAt,
      version.createdAt,
      version.updatedAt,
      version.rev,
      open,
      sealed,
    ],
  );
}
