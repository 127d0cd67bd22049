import type { Db, Tx } from "@medvault/postgres";
import { unlessTaken } from "../restores/restore.store.ts";
import type { Progress } from "../work/progress.ts";
import { BackupRunning } from "./backup.errors.ts";
import type { Backup, Contents } from "./backup.ts";

/** A row as Backup has it. */
const BACKUP = `id, state, created_at as "createdAt", finished_at as "finishedAt", error, size_bytes as "sizeBytes",
            manifest_sha256 as "manifestSha256", tables, table_rows as rows, files, files_missing as "filesMissing",
            audit_checkpoint as "auditCheckpoint", verify_state as "verifyState", verify_error as "verifyError",
            verified_at as "verifiedAt", scheduled, stage, percent`;

/** A row of work whose process may be gone. */
export interface Worker {
  id: string;
  runner: string | null;
  silentMs: number;
}

/** Begins a backup. Throws `BackupRunning` when one runs: a unique index decides. */
export async function insertBackup(
  tx: Tx,
  { id, requestedBy, scheduled = false }: { id: string; requestedBy: string; scheduled?: boolean },
  runner: string,
): Promise<void> {
  await unlessTaken(
    tx.query(
      `insert into backups (id, state, requested_by, scheduled, runner, heartbeat_at)
       values ($1, 'running', $2, $3, $4, now())`,
      [id, requestedBy, scheduled, runner],
    ),
    new BackupRunning(),
  );
}

export async function findBackup(db: Db, id: string): Promise<Backup | null> {
  const { rows } = await db.query<Backup>(
    `select ${BACKUP} from backups where id = $1 and state <> 'deleting'`,
    [id],
  );
  return rows[0] ?? null;
}

/** Newest first; an id is a UUIDv7. */
export async function listBackups(db: Db, beforeId: string | null, limit: number): Promise<Backup[]> {
  const { rows } = await db.query<Backup>(
    `select ${BACKUP} from backups
      where state <> 'deleting' and ($1::uuid is null or id < $1)
      order by id desc limit $2`,
    [beforeId, limit],
  );
  return rows;
}

/** The newest backup that is whole. */
export async function newestWhole(db: Db): Promise<string | null> {
  const { rows } = await db.query<{ id: string }>(
    "select id from backups where state = 'complete' order by id desc limit 1",
  );
  return rows[0]?.id ?? null;
}

/** Whether the schedule made it; null when it is no longer this runner's. */
export async function completeBackup(
  tx: Tx,
  id: string,
  runner: string,
  contents: Contents,
): Promise<{ scheduled: boolean } | null> {
  const { rows } = await tx.query<{ scheduled: boolean }>(
    `update backups set state = 'complete', finished_at = now(), stage = null, percent = null, manifest_sha256 = $3, size_bytes = $4, tables = $5,
            table_rows = $6, files = $7, files_missing = $8, audit_checkpoint = $9
      where id = $1 and runner = $2 and state = 'running'
     returning scheduled`,
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
  return rows[0] ?? null;
}

/** Whether the schedule made it; null when it is not being made. */
export async function failBackup(tx: Tx, id: string, error: string): Promise<{ scheduled: boolean } | null> {
  const { rows } = await tx.query<{ scheduled: boolean }>(
    `update backups set state = 'failed', finished_at = now(), stage = null, percent = null, error = $2
      where id = $1 and state = 'running'
     returning scheduled`,
    [id, error],
  );
  return rows[0] ?? null;
}

/** Asks whoever makes or verifies it to stop. False when nobody does. */
export async function askToStop(tx: Tx, id: string): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update backups set cancelled_at = now() where id = $1 and (state = 'running' or verify_state = 'running')`,
    [id],
  );
  return rowCount === 1;
}

/**
 * Throws `BackupRunning` when another verification runs. False when it is not complete, or is being
 * verified.
 */
export async function beginVerification(tx: Tx, id: string, runner: string): Promise<boolean> {
  const { rowCount } = await unlessTaken(
    tx.query(
      `update backups set verify_state = 'running', verify_error = null, runner = $2, heartbeat_at = now(),
              cancelled_at = null
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
            verify_error = $2, verified_at = case when $2::text is null then now() else verified_at end,
            stage = null, percent = null
      where id = $1 and verify_state = 'running'`,
    [id, error],
  );
  return rowCount === 1;
}

/** Work that says it is under way. */
export async function listWorkers(db: Db): Promise<Worker[]> {
  const { rows } = await db.query<Worker>(
    `select id, runner, (extract(epoch from now() - heartbeat_at) * 1000)::float8 as "silentMs"
       from backups where state = 'running' or verify_state = 'running'`,
  );
  return rows;
}

/** Says that its process is alive, and how far it is. True: somebody asked it to stop. */
export async function beat(
  db: Db,
  id: string,
  runner: string,
  { stage, percent }: Pick<Progress, "stage" | "percent">,
): Promise<boolean> {
  const { rows } = await db.query<{ cancelled: boolean }>(
    `update backups set heartbeat_at = now(), stage = $3, percent = $4
      where id = $1 and runner = $2 and (state = 'running' or verify_state = 'running')
     returning cancelled_at is not null as cancelled`,
    [id, runner, stage, percent],
  );
  return rows[0]?.cancelled ?? false;
}

/**
 * From here to the end of the transaction nobody else begins, restores or deletes a backup: what is
 * asked next is still so when it is acted on.
 */
export async function takeTurn(tx: Tx): Promise<void> {
  await tx.query("lock table backups in share row exclusive mode");
}

/** Marks it for removal. False when it is running or being verified. */
export async function beginDeletion(tx: Tx, id: string): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update backups set state = 'deleting'
      where id = $1 and state in ('complete', 'failed') and verify_state is distinct from 'running'`,
    [id],
  );
  return rowCount === 1;
}

export async function endDeletion(db: Db, id: string): Promise<void> {
  await db.query("delete from backups where id = $1 and state = 'deleting'", [id]);
}

/** What is being made or verified, or waits: never a backup and a restore at once. */
interface UnderWay {
  readonly backup: boolean;
  readonly verification: boolean;
  readonly restore: boolean;
}

export async function underWay(db: Db): Promise<UnderWay> {
  const { rows } = await db.query<UnderWay>(
    `select exists (select from backups where state = 'running') as backup,
            exists (select from backups where verify_state = 'running') as verification,
            exists (select from restores where state in ('requested', 'running')) as restore`,
  );
  return rows[0] ?? { backup: false, verification: false, restore: false };
}

/**
 * Backups marked for removal, and failed ones whose files may still be there; none while a restore
 * runs, whose process makes a backup too.
 */
export async function listRemovals(db: Db): Promise<{ id: string; state: "deleting" | "failed" }[]> {
  const { rows } = await db.query<{ id: string; state: "deleting" | "failed" }>(
    `select id, state from backups where state in ('deleting', 'failed')
        and not exists (select from restores where state in ('requested', 'running'))`,
  );
  return rows;
}

/** When the newest backups were made, found good and failed (seconds since 1970, 0: never). */
export interface BackupTimes {
  readonly made: number;
  readonly verified: number;
  readonly failed: number;
  readonly kept: number;
  /** Of the newest that is whole. */
  readonly sizeBytes: number;
}

export async function backupTimes(db: Db): Promise<BackupTimes | undefined> {
  const { rows } = await db.query<BackupTimes>(
    `select coalesce(extract(epoch from max(finished_at) filter (where state = 'complete')), 0)::float8 as made,
            coalesce(extract(epoch from max(verified_at) filter (where verify_state = 'passed')), 0)::float8 as verified,
            coalesce(extract(epoch from max(greatest(finished_at, created_at)) filter (where state = 'failed')), 0)::float8
              as failed,
            count(*) filter (where state = 'complete') as kept,
            coalesce((select size_bytes from backups where state = 'complete' order by finished_at desc limit 1), 0)
              as "sizeBytes"
       from backups`,
  );
  return rows[0];
}
