import type { Actor, PatientListQuery, ResourceAction } from "@medvault/contracts";
import type { Sealed, SealedRow } from "@medvault/keys";
import type { Db, Tx } from "@medvault/postgres";
import pg from "pg";
import { reachOf } from "../access/reach.ts";
import type { Context } from "../context.ts";
import type { Position } from "../paging.ts";
import { UserAlreadyLinked } from "./patient.errors.ts";
import { patients } from "./patient.table.ts";
import type { Patient } from "./patient.ts";

type Row = SealedRow;

/** A patient whom the actor reaches with this permission, or null. */
export async function findPatient(
  db: Db,
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  id: string,
): Promise<Patient | null> {
  const { scope, userId } = reachOf(actor, permission);
  const { rows } = await db.query<Row>(
    `select p.id, p.user_id, p.created_by, p.created_at, p.updated_at, p.rev, p.open, p.sealed,
            k.wrapped as subject_key
       from patients p join subject_keys k on k.subject_id = p.id
      where p.id = $1
        and ($2 = 'any' or exists (select from patient_access a
              where a.patient_id = p.id and a.user_id = $3 and a.scope = $2))`,
    [id, scope, userId],
  );
  return rows[0] ? patients.open(context.keyring, rows[0]) : null;
}

/** As findPatient, locked until the transaction ends, with the key to seal it anew. */
export async function findPatientForUpdate(
  tx: Tx,
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  id: string,
): Promise<{ patient: Patient; subjectKey: Buffer } | null> {
  const { scope, userId } = reachOf(actor, permission);
  const { rows } = await tx.query<Row>(
    `select p.id, p.user_id, p.created_by, p.created_at, p.updated_at, p.rev, p.open, p.sealed,
            k.wrapped as subject_key
       from patients p join subject_keys k on k.subject_id = p.id
      where p.id = $1
        and ($2 = 'any' or exists (select from patient_access a
              where a.patient_id = p.id and a.user_id = $3 and a.scope = $2))
        for update of p`,
    [id, scope, userId],
  );
  const row = rows[0];
  return row ? { patient: patients.open(context.keyring, row), subjectKey: row.subject_key } : null;
}

/** The patient record that belongs to the actor's own account, or null. */
export async function findOwnPatient(db: Db, context: Context, actor: Actor): Promise<Patient | null> {
  const { userId } = reachOf(actor, "patient:read");
  const { rows } = await db.query<Row>(
    `select p.id, p.user_id, p.created_by, p.created_at, p.updated_at, p.rev, p.open, p.sealed,
            k.wrapped as subject_key
       from patients p join subject_keys k on k.subject_id = p.id
      where p.user_id = $1`,
    [userId],
  );
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
): Promise<Patient[]> {
  const { scope, userId } = reachOf(actor, "patient:read");
  const values = [filter.careTeamOf, filter.updatedSince, after?.at, after?.id, limit];
  // Two statements, because whose patients they are decides from which end to read: all of them by the index on
  // updated_at, or the few of one person and then sorted. One statement with an `or` reads the whole table for both.
  const { rows } =
    scope === "any"
      ? await db.query<Row>(
          `select p.id, p.user_id, p.created_by, p.created_at, p.updated_at, p.rev, p.open, p.sealed,
                  k.wrapped as subject_key
             from patients p join subject_keys k on k.subject_id = p.id
            where ($1::uuid is null or exists (select from care_team c where c.patient_id = p.id and c.user_id = $1))
              and ($2::timestamptz is null or p.updated_at >= $2)
              and ($3::timestamptz is null or (p.updated_at, p.id) < ($3, $4::uuid))
            order by p.updated_at desc, p.id desc limit $5`,
          values,
        )
      : await db.query<Row>(
          `with page as (
             select p.* from patient_access a join patients p on p.id = a.patient_id
              where a.user_id = $6 and a.scope = $7
                and ($1::uuid is null or exists (select from care_team c where c.patient_id = p.id and c.user_id = $1))
                and ($2::timestamptz is null or p.updated_at >= $2)
                and ($3::timestamptz is null or (p.updated_at, p.id) < ($3, $4::uuid))
              order by p.updated_at desc, p.id desc limit $5)
           select p.id, p.user_id, p.created_by, p.created_at, p.updated_at, p.rev, p.open, p.sealed,
                  k.wrapped as subject_key
             from page p join subject_keys k on k.subject_id = p.id
            order by p.updated_at desc, p.id desc`,
          [...values, userId, scope],
        );
  return rows.map((row) => patients.open(context.keyring, row));
}

/** Tokens to look for, one of each list of exact ones; null where a search does not ask, or there are none. */
export interface PatientTokens {
  name: string[] | null;
  nationalId: Buffer[] | null;
  birthDate: Buffer[] | null;
  added: string[] | null;
}

/** Those of the actor's patients who may match: tokens are shared, so each is to be checked once opened. */
export async function findCandidates(
  db: Db,
  context: Context,
  actor: Actor,
  tokens: PatientTokens,
  after: Position | null,
  limit: number,
): Promise<Patient[]> {
  const { scope, userId } = reachOf(actor, "patient:search");
  const { rows } = await db.query<Row>(
    `select p.id, p.user_id, p.created_by, p.created_at, p.updated_at, p.rev, p.open, p.sealed,
            k.wrapped as subject_key
       from patients p join subject_keys k on k.subject_id = p.id
      where ($1 = 'any' or exists (select from patient_access a
              where a.patient_id = p.id and a.user_id = $2 and a.scope = $1))
        and ($3::bigint[] is null or p.name_tokens @> $3)
        and ($4::bytea[] is null or p.national_id_token = any($4))
        and ($5::bytea[] is null or p.birth_date_token = any($5))
        and ($6::timestamptz is null or (p.updated_at, p.id) < ($6, $7::uuid))
        and ($9::text[] is null or (p.added_tokens <> '{}' and p.added_tokens @> $9))
      order by p.updated_at desc, p.id desc limit $8`,
    [
      scope,
      userId,
      tokens.name,
      tokens.nationalId,
      tokens.birthDate,
      after?.at,
      after?.id,
      limit,
      tokens.added,
    ],
  );
  return rows.map((row) => patients.open(context.keyring, row));
}

/** Stores a new patient; false when the account that it names has one already. Who may, the service has decided. */
export async function insertPatient(
  tx: Tx,
  context: Context,
  actor: Actor,
  patient: Patient,
  { open, sealed }: Sealed,
): Promise<boolean> {
  reachOf(actor, "patient:write");
  const tokens = await context.indexes.patients.tokens(tx, patient);
  const { rowCount } = await tx.query(
    `insert into patients (id, user_id, created_by, created_at, updated_at, name_tokens, national_id_token,
                           birth_date_token, added_tokens, rev, open, sealed)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
     on conflict (user_id) do nothing`,
    [
      patient.id,
      patient.userId,
      patient.createdBy,
      patient.createdAt,
      patient.updatedAt,
      tokens.search_name,
      tokens.national_id,
      tokens.birth_date,
      tokens.added_tokens,
      patient.rev,
      open,
      sealed,
    ],
  );
  return rowCount === 1;
}

/**
 * Replaces a patient that was locked at the revision before. False when somebody was faster; throws UserAlreadyLinked
 * when the account that it names has another patient record.
 */
export async function updatePatient(
  tx: Tx,
  context: Context,
  actor: Actor,
  patient: Patient,
  { open, sealed }: Sealed,
): Promise<boolean> {
  const { scope, userId } = reachOf(actor, "patient:write");
  const tokens = await context.indexes.patients.tokens(tx, patient);
  const update = tx.query(
    `update patients p
        set user_id = $2, updated_at = $3, name_tokens = $4, national_id_token = $5, birth_date_token = $6,
            rev = $7, open = $8, sealed = $9, added_tokens = $12
      where p.id = $1 and p.rev = $7 - 1
        and ($10 = 'any' or exists (select from patient_access a
              where a.patient_id = p.id and a.user_id = $11 and a.scope = $10))`,
    [
      patient.id,
      patient.userId,
      patient.updatedAt,
      tokens.search_name,
      tokens.national_id,
      tokens.birth_date,
      patient.rev,
      open,
      sealed,
      scope,
      userId,
      tokens.added_tokens,
    ],
  );
  const { rowCount } = await update.catch((error: unknown) => {
    throw isSecondOfUser(error) ? new UserAlreadyLinked() : error;
  });
  return rowCount === 1;
}

function isSecondOfUser(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.constraint === "patients_one_per_user";
}
