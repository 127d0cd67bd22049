import type { Db, Tx } from "@medvault/postgres";
import { BackupRunning, RestoreRunning } from "./backup.errors.ts";
import type { Backup, Contents, Restore } from "./backup.ts";

interface BackupRow {
  id: string;
  state: Backup["state"];
  created_at: Date;
  finished_at: Date | null;
  error: string | null;
  size_bytes: number | null;
  manifest_sha256: string | null;
  tables: number | null;
  table_rows: number | null;
  files: number | null;
  files_missing: number | null;
  audit_checkpoint: number | null;
  verify_state: Backup["verifyState"];
  verify_error: string | null;
  verified_at: Date | null;
}

interface RestoreRow {
  id: string;
  backup_id: string;
  state: Restore["state"];
  requested_at: Date;
  finished_at: Date | null;
  error: string | null;
}

/** A row of work whose process may be gone. */
export interface Worker {
  id: string;
  runner: string | null;
  silentMs: number;
}

const UNIQUE_VIOLATION = "23505";

/** Begins a backup. Throws `BackupRunning` when one runs: the index decides, whoever asks at the same moment. */
export async function insertBackup(tx: Tx, id: string, requestedBy: string, runner: string): Promise<Date> {
  const { rows } = await orWhenTaken(
    tx.query<{ created_at: Date }>(
      `insert into backups (id, state, requested_by, runner, heartbeat_at)
       values ($1, 'running', $2, $3, now()) returning created_at`,
      [id, requestedBy, runner],
    ),
    new BackupRunning(),
  );
  return rows[0]?.created_at ?? new Date();
}

export async function findBackup(db: Db, id: string): Promise<Backup | null> {
  const { rows } = await db.query<BackupRow>(
    `select id, state, created_at, finished_at, error, size_bytes, manifest_sha256, tables, table_rows, files,
            files_missing, audit_checkpoint, verify_state, verify_error, verified_at
       from backups where id = $1 and state <> 'deleting'`,
    [id],
  );
  return rows[0] ? backupOf(rows[0]) : null;
}

/** Newest first; an id is a UUIDv7. */
export async function listBackups(db: Db, beforeId: string | null, limit: number): Promise<Backup[]> {
  const { rows } = await db.query<BackupRow>(
    `select id, state, created_at, finished_at, error, size_bytes, manifest_sha256, tables, table_rows, files,
            files_missing, audit_checkpoint, verify_state, verify_error, verified_at
       from backups
      where state <> 'deleting' and ($1::uuid is null or id < $1)
      order by id desc limit $2`,
    [beforeId, limit],
  );
  return rows.map(backupOf);
}

/** False when it is not this runner's any more. */
export async function completeBackup(
  tx: Tx,
  id: string,
  runner: string,
  contents: Contents,
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update backups set state = 'complete', finished_at = now(), manifest_sha256 = $3, size_bytes = $4, tables = $5,
            table_rows = $6, files = $7, files_missing = $8, audit_checkpoint = $9
      where id = $1 and runner = $2 and state = 'running'`,
    [
      id,
      runner,
      contents.manifestSha256,
      contents.sizeBytes,
      contents.tables,
      contents.rows,
      contents.files,
      contents.filesMissing,
      contents.auditCheckpoint,
    ],
  );
  return rowCount === 1;
}

export async function failBackup(tx: Tx, id: string, error: string): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update backups set state = 'failed', finished_at = now(), error = $2 where id = $1 and state = 'running'`,
    [id, error],
  );
  return rowCount === 1;
}

/** Throws `BackupRunning` when another verification runs. False when it is not complete, or is being verified. */
export async function beginVerification(tx: Tx, id: string, runner: string): Promise<boolean> {
  const { rowCount } = await orWhenTaken(
    tx.query(
      `update backups set verify_state = 'running', verify_error = null, runner = $2, heartbeat_at = now()
        where id = $1 and state = 'complete' and verify_state is distinct from 'running'`,
      [id, runner],
    ),
    new BackupRunning(),
  );
  return rowCount === 1;
}

export async function endVerification(tx: Tx, id: string, error: string | null): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update backups set verify_state = case when $2::text is null then 'passed' else 'failed' end,
            verify_error = $2, verified_at = case when $2::text is null then now() else verified_at end
      where id = $1 and verify_state = 'running'`,
    [id, error],
  );
  return rowCount === 1;
}

/** Work that says it is under way. */
export async function listWorkers(db: Db): Promise<Worker[]> {
  const { rows } = await db.query<{ id: string; runner: string | null; silent_ms: number }>(
    `select id, runner, (extract(epoch from now() - heartbeat_at) * 1000)::float8 as silent_ms
       from backups where state = 'running' or verify_state = 'running'`,
  );
  return rows.map((row) => ({ id: row.id, runner: row.runner, silentMs: row.silent_ms }));
}

export async function beat(db: Db, id: string, runner: string): Promise<void> {
  await db.query("update backups set heartbeat_at = now() where id = $1 and runner = $2", [id, runner]);
}

/** Marks it for removal. False when it is running, being verified, or wanted by a restore. */
export async function beginDeletion(tx: Tx, id: string): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update backups set state = 'deleting'
      where id = $1 and state in ('complete', 'failed') and verify_state is distinct from 'running'
        and not exists (select from restores where backup_id = $1 and state in ('requested', 'running'))`,
    [id],
  );
  return rowCount === 1;
}

export async function endDeletion(db: Db, id: string): Promise<void> {
  await db.query("delete from backups where id = $1 and state = 'deleting'", [id]);
}

/** Whether a backup is being made, and whether a restore is asked for or under way: neither begins beside the other. */
export async function underWay(db: Db): Promise<{ backup: boolean; restore: boolean }> {
  const { rows } = await db.query<{ backup: boolean; restore: boolean }>(
    `select exists (select from backups where state = 'running') as backup,
            exists (select from restores where state in ('requested', 'running')) as restore`,
  );
  return rows[0] ?? { backup: false, restore: false };
}

/** What a start has to clean up: backups marked for removal, and failed ones whose files may still lie there. */
export async function listRemovals(db: Db): Promise<{ id: string; state: "deleting" | "failed" }[]> {
  const { rows } = await db.query<{ id: string; state: "deleting" | "failed" }>(
    "select id, state from backups where state in ('deleting', 'failed')",
  );
  return rows;
}

export interface NewRestore {
  id: string;
  backupId: string;
  requestedBy: string;
  requestedRole: string;
  requestId: string;
  traceparent: string | null;
}

/** Asks for a restore. Throws `RestoreRunning` when one is asked for or under way. */
export async function insertRestore(tx: Tx, restore: NewRestore): Promise<void> {
  await orWhenTaken(
    tx.query(
      `insert into restores (id, backup_id, state, requested_by, requested_role, request_id, traceparent)
       values ($1, $2, 'requested', $3, $4, $5, $6)`,
      [
        restore.id,
        restore.backupId,
        restore.requestedBy,
        restore.requestedRole,
        restore.requestId,
        restore.traceparent,
      ],
    ),
    new RestoreRunning(),
  );
}

/** Whether a restore waits for its job. */
export async function hasRequestedRestore(db: Db): Promise<boolean> {
  const { rowCount } = await db.query("select from restores where state = 'requested'");
  return rowCount === 1;
}

/** The latest restore of each of these backups. */
export async function latestRestores(db: Db, backupIds: readonly string[]): Promise<Map<string, Restore>> {
  const { rows } = await db.query<RestoreRow>(
    `select distinct on (backup_id) id, backup_id, state, requested_at, finished_at, error
       from restores where backup_id = any($1::uuid[]) order by backup_id, n desc`,
    [backupIds],
  );
  return new Map(rows.map((row) => [row.backup_id, restoreOf(row)]));
}

async function orWhenTaken<T>(work: Promise<T>, refusal: Error): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if ((error as { code?: unknown }).code === UNIQUE_VIOLATION) throw refusal;
    throw error;
  }
}

function backupOf(row: BackupRow): Backup {
  return {
    id: row.id,
    state: row.state,
    createdAt: row.created_at,
    finishedAt: row.finished_at,
    error: row.error,
    sizeBytes: row.size_bytes,
    manifestSha256: row.manifest_sha256,
    tables: row.tables,
    rows: row.table_rows,
    files: row.files,
    filesMissing: row.files_missing,
    auditCheckpoint: row.audit_checkpoint,
    verifyState: row.verify_state,
    verifyError: row.verify_error,
    verifiedAt: row.verified_at,
  };
}

function restoreOf(row: RestoreRow): Restore {
  return {
    id: row.id,
    backupId: row.backup_id,
    state: row.state,
    requestedAt: row.requested_at,
    finishedAt: row.finished_at,
    error: row.error,
  };
}
