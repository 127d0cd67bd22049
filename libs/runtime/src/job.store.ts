import type { Db } from "@medvault/postgres";

/** A job's lease: statements that carry it do nothing once another process has taken it. */
export interface JobLease {
  readonly job: string;
  readonly owner: string;
  readonly fence: number;
}

export type JobOutcome = "done" | "failed" | "stopped";

/**
 * Takes the lease of a job that is due: nobody runs it, and nobody has begun it since `dueSince`.
 * So of all processes one runs it, once in its period. Null when not due, or another's.
 */
export async function takeJob(
  db: Db,
  job: string,
  owner: string,
  dueSince: Date,
  leaseMs: number,
): Promise<JobLease | null> {
  const { rows } = await db.query<{ fence: number }>(
    `insert into jobs as j (name, lease_owner, lease_until, started_at)
     values ($1, $2, clock_timestamp() + $4 * interval '1 millisecond', clock_timestamp())
     on conflict (name) do update
        set fence = j.fence + 1, lease_owner = excluded.lease_owner, lease_until = excluded.lease_until,
            started_at = excluded.started_at, finished_at = null, outcome = null
      where (j.lease_until is null or j.lease_until < clock_timestamp()) and j.started_at <= $3
     returning fence`,
    [job, owner, dueSince, leaseMs],
  );
  return rows[0] ? { job, owner, fence: rows[0].fence } : null;
}

/** Prolongs the lease. False when another process has taken it. */
export async function holdJob(db: Db, lease: JobLease, leaseMs: number): Promise<boolean> {
  const { rowCount } = await db.query(
    `update jobs set lease_until = clock_timestamp() + $4 * interval '1 millisecond'
      where name = $1 and lease_owner = $2 and fence = $3`,
    [lease.job, lease.owner, lease.fence, leaseMs],
  );
  return rowCount === 1;
}

/** Gives the lease back and notes how the run ended. */
export async function endJob(db: Db, lease: JobLease, outcome: JobOutcome): Promise<void> {
  await db.query(
    `update jobs set lease_owner = null, lease_until = null, finished_at = clock_timestamp(), outcome = $4
      where name = $1 and lease_owner = $2 and fence = $3`,
    [lease.job, lease.owner, lease.fence, outcome],
  );
}
