import type { Db, Tx } from "@medvault/postgres";
import { WriterFenced } from "./writer.errors.ts";

/** Who writes: `epoch` fences off the writer before, `size` is the tree size to append at. */
export interface Lease {
  readonly epoch: number;
  readonly size: number;
}

/** No writer takes a lease for longer: one that ends later is none of a writer's. */
const LONGEST_LEASE = "interval '5 minutes'";
const RUN_OUT = `(lease_until < clock_timestamp() or lease_until > clock_timestamp() + ${LONGEST_LEASE})`;

const OTHERS_READY = "select from standbys where ready_until > clock_timestamp() and owner <>";

/**
 * Takes the lease when it is free or run out. One that is not ready (it does not reach RabbitMQ, or
 * the store outside) takes it where no other is; one that is says so while it waits.
 */
export async function takeLease(
  db: Db,
  { owner, isReady }: { owner: string; isReady: boolean },
  leaseMs: number,
): Promise<Lease | null> {
  await endHungWriter(db);
  const { rows } = await db.query<Lease>(
    `update writer
        set epoch = epoch + 1, owner = $1, lease_until = clock_timestamp() + $2::float8 * interval '1 millisecond'
      where (lease_until is null or ${RUN_OUT}) and ($3 or not exists (${OTHERS_READY} $1))
      returning epoch, size`,
    [owner, leaseMs, isReady],
  );
  if (rows[0] === undefined && isReady) await sayReady(db, owner, leaseMs);
  return rows[0] ?? null;
}

/**
 * A process that hangs in the middle of a transaction holds the lock of the writer's row for as
 * long: once its lease has run out, its connection is ended, and with it that transaction.
 */
async function endHungWriter(db: Db): Promise<void> {
  await db.query(
    `select pg_terminate_backend(pid)
       from pg_locks l join pg_stat_activity a using (pid)
      where l.relation = 'writer'::regclass and l.mode in ('RowShareLock', 'RowExclusiveLock')
        and l.database = (select oid from pg_database where datname = current_database())
        and a.usename = current_user and a.state like 'idle in transaction%'
        and exists (select from writer where ${RUN_OUT})`,
  );
}

async function sayReady(db: Db, owner: string, leaseMs: number): Promise<void> {
  await db.query(
    `with gone as (delete from standbys where ready_until < now() - interval '1 hour')
     insert into standbys (owner, ready_until)
     values ($1, clock_timestamp() + $2::float8 * interval '1 millisecond')
     on conflict (owner) do update set ready_until = excluded.ready_until`,
    [owner, leaseMs],
  );
}

/**
 * Renews the lease, and says whether another process is ready to take it. Null when one has; a
 * lease that merely ran out is still ours.
 */
export async function renewLease(
  db: Db,
  epoch: number,
  leaseMs: number,
): Promise<{ hasStandby: boolean } | null> {
  const { rows } = await db.query<{ hasStandby: boolean }>(
    `update writer set lease_until = clock_timestamp() + $2::float8 * interval '1 millisecond' where epoch = $1
      returning exists (${OTHERS_READY} writer.owner) as "hasStandby"`,
    [epoch, leaseMs],
  );
  return rows[0] ?? null;
}

/** Gives the lease up, so that a standby need not wait for it to run out. */
export async function releaseLease(db: Db, epoch: number): Promise<void> {
  await db.query("update writer set lease_until = null, owner = null where epoch = $1", [epoch]);
}

/**
 * Locks the row until the transaction ends: while it is held no other process takes the lease,
 * appends or signs.
 * @throws WriterFenced when `epoch` is not the present one.
 */
export async function lockWriter(tx: Tx, epoch: number): Promise<Lease> {
  const { rows } = await tx.query<Lease>("select epoch, size from writer where epoch = $1 for update", [
    epoch,
  ]);
  if (rows[0] === undefined) throw new WriterFenced();
  return rows[0];
}

/** How many entries the table has, and how many were appended: one statement, hence one moment. */
export async function bothSizes(db: Db): Promise<{ size: number; appended: number }> {
  const { rows } = await db.query<{ size: number; appended: number }>(
    "select (select coalesce(max(idx) + 1, 0) from log) as size, size as appended from writer",
  );
  return rows[0] ?? { size: 0, appended: 0 };
}

/** The tree size that the next append expects. */
export async function expectedSize(db: Db): Promise<number> {
  const { rows } = await db.query<{ size: number }>("select size from writer");
  return rows[0]?.size ?? 0;
}
