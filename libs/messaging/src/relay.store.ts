import type { Db } from "@medvault/postgres";

/** A lease on the producer row; statements that carry it do nothing once another has taken it. */
export interface Lease {
  owner: string;
  fence: number;
}

export interface OutboxRow {
  position: number;
  audience: "audit" | "domain";
  type: string;
  /** The envelope as JSON text. */
  event: string;
}

export interface Batch {
  epoch: number;
  firstSeq: number;
  /** Ascending; the i-th has number firstSeq + i. */
  positions: number[];
}

/** Takes or keeps the lease; null while another holds it. The fence rises when it changes hands. */
export async function acquireLease(db: Db, owner: string, leaseMs: number): Promise<Lease | null> {
  const { rows } = await db.query<{ fence: number }>(
    `update producer
        set fence = fence + case when lease_owner = $1 and lease_until > clock_timestamp() then 0 else 1 end,
            lease_owner = $1, lease_until = clock_timestamp() + $2 * interval '1 millisecond'
      where lease_owner = $1 or lease_until is null or lease_until < clock_timestamp()
      returning fence`,
    [owner, leaseMs],
  );
  return rows[0] ? { owner, fence: rows[0].fence } : null;
}

/** Keeps a lease that is still one's own; false when another has it. */
export async function renewLease(db: Db, lease: Lease, leaseMs: number): Promise<boolean> {
  const { rowCount } = await db.query(
    `update producer set lease_until = clock_timestamp() + $3 * interval '1 millisecond'
      where lease_owner = $1 and fence = $2`,
    [lease.owner, lease.fence, leaseMs],
  );
  return rowCount === 1;
}

export async function releaseLease(db: Db, lease: Lease): Promise<void> {
  await db.query(
    "update producer set lease_until = null, lease_owner = null where lease_owner = $1 and fence = $2",
    [lease.owner, lease.fence],
  );
}

/** Rows beyond a position, in order. `xmin`: every transaction below it has ended. */
export async function readOutbox(
  db: Db,
  after: number,
  upTo: number,
  limit: number,
): Promise<{ rows: OutboxRow[]; xmin: bigint }> {
  // One statement, hence one snapshot; the xmin's row is always there, the outbox may be empty.
  const { rows } = await db.query<{ xmin: string } & { [K in keyof OutboxRow]: OutboxRow[K] | null }>(
    `select s.xmin::text as xmin, o.position, o.audience, o.type, o.event
       from (select pg_snapshot_xmin(pg_current_snapshot()) as xmin) s
       left join lateral (
         select position, audience, type, event::text as event from outbox
          where position > $1 and position <= $2 order by position limit $3) o on true
      order by o.position`,
    [after, upTo, limit],
  );
  return {
    rows: rows.filter((row) => row.position !== null) as OutboxRow[],
    xmin: BigInt(rows[0]?.xmin ?? 0),
  };
}

/** The rows at these positions, in their order; those that are gone are left out. */
export async function readPositions(db: Db, positions: readonly number[]): Promise<OutboxRow[]> {
  const { rows } = await db.query<OutboxRow>(
    `select position, audience, type, event::text as event from outbox
      where position = any($1::bigint[]) order by position`,
    [positions],
  );
  return rows;
}

/** Gives the rows the next numbers, in one journal row. Null when the lease is lost. */
export async function journalBatch(
  db: Db,
  lease: Lease,
  positions: readonly number[],
): Promise<Batch | null> {
  const { rows } = await db.query<{ epoch: number; first_seq: number }>(
    `with mine as (
       update producer set last_seq = last_seq + cardinality($3::bigint[])
        where lease_owner = $1 and fence = $2 returning epoch, last_seq)
     insert into relay_batches (epoch, first_seq, positions)
     select epoch, last_seq - cardinality($3::bigint[]) + 1, $3::bigint[] from mine
     returning epoch, first_seq`,
    [lease.owner, lease.fence, positions],
  );
  const row = rows[0];
  return row ? { epoch: row.epoch, firstSeq: row.first_seq, positions: [...positions] } : null;
}

/** What was journaled and not confirmed, oldest first. */
export async function readJournal(db: Db): Promise<Batch[]> {
  const { rows } = await db.query<{ epoch: number; first_seq: number; positions: string[] }>(
    "select epoch, first_seq, positions from relay_batches order by epoch, first_seq",
  );
  return rows.map((row) => ({
    epoch: row.epoch,
    firstSeq: row.first_seq,
    positions: row.positions.map(Number),
  }));
}

/**
 * Deletes confirmed rows, and their journal if they have one, in one statement that also keeps the
 * lease. Answers this transaction's id, null when the lease is lost (then nothing is deleted).
 */
export async function deleteConfirmed(
  db: Db,
  lease: Lease,
  leaseMs: number,
  positions: readonly number[],
  batch: Batch | null,
): Promise<bigint | null> {
  const { rows } = await db.query<{ xid: string }>(
    `with mine as (
       update producer set lease_until = clock_timestamp() + $3 * interval '1 millisecond'
        where lease_owner = $1 and fence = $2 returning only_row),
     events as (delete from outbox where position = any($4::bigint[]) and exists (select from mine)),
     journal as (delete from relay_batches
                  where epoch = $5 and first_seq = $6 and exists (select from mine))
     select pg_current_xact_id()::text as xid from mine`,
    [lease.owner, lease.fence, leaseMs, positions, batch?.epoch ?? null, batch?.firstSeq ?? null],
  );
  return rows[0] ? BigInt(rows[0].xid) : null;
}

/** Notes a heartbeat if due: after its time, and if more than the last heartbeat was numbered. */
export async function takeHeartbeat(
  db: Db,
  lease: Lease,
  everyMs: number,
): Promise<{ epoch: number; lastSeq: number } | null> {
  const { rows } = await db.query<{ epoch: number; last_seq: number }>(
    `update producer set heartbeat_at = clock_timestamp(), heartbeat_seq = last_seq + 1
      where lease_owner = $1 and fence = $2 and last_seq > heartbeat_seq
        and (heartbeat_at is null or heartbeat_at < clock_timestamp() - $3 * interval '1 millisecond')
      returning epoch, last_seq`,
    [lease.owner, lease.fence, everyMs],
  );
  return rows[0] ? { epoch: rows[0].epoch, lastSeq: rows[0].last_seq } : null;
}

// Counting stops here: more is "very many", and counting millions of rows is a burden itself.
const MAX_COUNTED = 100_000;

/** How many events wait (counted up to 100,000) and for how long the oldest does. */
export async function readLag(db: Db): Promise<{ pending: number; oldestSeconds: number }> {
  const { rows } = await db.query<{ pending: number; oldest: number | null }>(
    `select (select count(*) from (select from outbox limit $1) counted) as pending,
            (select extract(epoch from clock_timestamp() - created_at)::float8
               from outbox order by position limit 1) as oldest`,
    [MAX_COUNTED],
  );
  return { pending: rows[0]?.pending ?? 0, oldestSeconds: Math.max(0, rows[0]?.oldest ?? 0) };
}
