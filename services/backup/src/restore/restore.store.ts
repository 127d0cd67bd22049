import type { Db, Tx } from "@medvault/postgres";
import { isGone } from "../backup/runner.ts";
import type { RestoreTask } from "./restore.ts";

interface TaskRow {
  id: string;
  n: number;
  backup_id: string;
  requested_by: string;
  requested_role: string;
  request_id: string | null;
  traceparent: string | null;
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

/** False when it is not running any more, for instance because somebody took this process for dead. */
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
