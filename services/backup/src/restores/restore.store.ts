import type { RestoreChanges } from "@medvault/contracts";
import type { Db, Tx } from "@medvault/postgres";
import { isGone } from "../work/runner.ts";
import { RestoreRunning } from "./restore.errors.ts";
import type { Restore, RestoreKind, RestoreTask } from "./restore.ts";

/** A row as RestoreTask has it. */
const TASK = `id, n, backup_id as "backupId", kind, without_safety_backup as "withoutSafetyBackup", requested_by as "requestedBy", requested_role as "requestedRole",
            request_id as "requestId", traceparent`;

/** Asks for a restore. Throws `RestoreRunning` when one is asked for or under way. */
export async function insertRestore(tx: Tx, restore: Omit<RestoreTask, "n">): Promise<void> {
  const { id, backupId, kind, withoutSafetyBackup } = restore;
  const { requestedBy, requestedRole, requestId, traceparent } = restore;
  await unlessTaken(
    tx.query(
      `insert into restores (id, backup_id, state, kind, without_safety_backup, requested_by, requested_role,
                             request_id, traceparent)
       values ($1, $2, 'requested', $3, $4, $5, $6, $7, $8)`,
      [id, backupId, kind, withoutSafetyBackup, requestedBy, requestedRole, requestId, traceparent],
    ),
    new RestoreRunning(),
  );
}

/** Whether a restore waits for its job. */
export async function hasRequestedRestore(db: Db): Promise<boolean> {
  const { rowCount } = await db.query("select from restores where state = 'requested'");
  return rowCount === 1;
}

/** The latest restore and the latest preview of one backup. */
export type Latest = Partial<Record<RestoreKind, Restore>>;

/** The latest of each of these backups. */
export async function latestRestores(db: Db, backupIds: readonly string[]): Promise<Map<string, Latest>> {
  const { rows } = await db.query<Restore>(
    `select distinct on (backup_id, kind) id, backup_id as "backupId", kind, state, requested_at as "requestedAt",
            finished_at as "finishedAt", error, safety_backup_id as "safetyBackupId", changes
       from restores where backup_id = any($1::uuid[]) order by backup_id, kind, n desc`,
    [backupIds],
  );
  const latest = new Map<string, Latest>();
  for (const row of rows) latest.set(row.backupId, { ...latest.get(row.backupId), [row.kind]: row });
  return latest;
}

/** Takes on the oldest restore that was asked for; null when there is none. */
export async function claimRestore(db: Db, runner: string): Promise<RestoreTask | null> {
  const { rows } = await db.query<RestoreTask>(
    `update restores set state = 'running', runner = $1, started_at = now(), heartbeat_at = now()
      where id = (select id from restores where state = 'requested' order by n limit 1 for update skip locked)
      returning ${TASK}`,
    [runner],
  );
  return rows[0] ?? null;
}

/** Restores that say they are running and whose process is gone. */
export async function listGone(db: Db): Promise<RestoreTask[]> {
  const { rows } = await db.query<RestoreTask & { runner: string | null; silentMs: number }>(
    `select ${TASK}, runner, (extract(epoch from now() - heartbeat_at) * 1000)::float8 as "silentMs"
       from restores where state = 'running'`,
  );
  return rows.filter((row) => isGone(row.runner, row.silentMs));
}

export async function beatRestore(db: Db, id: string): Promise<void> {
  await db.query("update restores set heartbeat_at = now() where id = $1", [id]);
}

/** What it undoes, and the backup that keeps that: known, and kept, before anything is undone. */
export async function noteChanges(
  db: Db,
  id: string,
  changes: RestoreChanges,
  safetyBackupId: string | null,
): Promise<void> {
  await db.query("update restores set changes = $2, safety_backup_id = $3 where id = $1", [
    id,
    changes,
    safetyBackupId,
  ]);
}

/** False when it is not running any more, for instance because this process was taken for dead. */
export async function completeRestore(tx: Tx, id: string, runner: string): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update restores set state = 'complete', finished_at = now(), error = null
      where id = $1 and state = 'running' and runner = $2`,
    [id, runner],
  );
  return rowCount === 1;
}

export async function failRestore(tx: Tx, id: string, error: string): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update restores set state = 'failed', finished_at = now(), error = $2 where id = $1 and state = 'running'`,
    [id, error],
  );
  return rowCount === 1;
}

/** The numbers of restores that are running, whose schemas are not leftovers. */
export async function runningNumbers(db: Db): Promise<number[]> {
  const { rows } = await db.query<{ n: number }>("select n from restores where state = 'running'");
  return rows.map((row) => row.n);
}

const UNIQUE_VIOLATION = "23505";

/** Throws `refusal` when a unique index refuses what `work` inserts or changes. */
export async function unlessTaken<T>(work: Promise<T>, refusal: Error): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if ((error as { code?: unknown }).code === UNIQUE_VIOLATION) throw refusal;
    throw error;
  }
}
