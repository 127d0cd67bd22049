import type { Db, Tx } from "@medvault/postgres";
import { isGone } from "../work/runner.ts";
import { RestoreRunning } from "./restore.errors.ts";
import type { Restore, RestoreTask } from "./restore.ts";

interface TaskRow {
  id: string;
  n: number;
  backup_id: string;
  requested_by: string;
  requested_role: string;
  request_id: string | null;
  traceparent: string | null;
}

interface RestoreRow {
  id: string;
  backup_id: string;
  state: Restore["state"];
  requested_at: Date;
  finished_at: Date | null;
  error: string | null;
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
  await unlessTaken(
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

/** Takes on the oldest restore that was asked for; null when there is none. */
export async function claimRestore(db: Db, runner: string): Promise<RestoreTask | null> {
  const { rows } = await db.query<TaskRow>(
    `update restores set state = 'running', runner = $1, started_at = now(), heartbeat_at = now()
      where id = (select id from restores where state = 'requested' order by n limit 1 for update skip locked)
      returning id, n, backup_id, requested_by, requested_role, request_id, traceparent`,
    [runner],
  );
  return rows[0] ? taskOf(rows[0]) : null;
}

/** Restores that say they are running and whose process is gone. */
export async function listGone(db: Db): Promise<RestoreTask[]> {
  const { rows } = await db.query<TaskRow & { runner: string | null; silent_ms: number }>(
    `select id, n, backup_id, requested_by, requested_role, request_id, traceparent, runner,
            (extract(epoch from now() - heartbeat_at) * 1000)::float8 as silent_ms
       from restores where state = 'running'`,
  );
  return rows.filter((row) => isGone(row.runner, row.silent_ms)).map(taskOf);
}

export async function beatRestore(db: Db, id: string): Promise<void> {
  await db.query("update restores set heartbeat_at = now() where id = $1", [id]);
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

function taskOf(row: TaskRow): RestoreTask {
  return {
    id: row.id,
    n: row.n,
    backupId: row.backup_id,
    requestedBy: row.requested_by,
    requestedRole: row.requested_role,
    requestId: row.request_id,
    traceparent: row.traceparent,
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
