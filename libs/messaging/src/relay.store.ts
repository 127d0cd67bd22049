import { type Db, PLANNED_EACH_TIME } from "@medvault/postgres";
import { LeaseLost } from "./errors.ts";

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

/**
 * Takes or keeps the lease; null while another holds it. The fence rises when it changes hands.
 * `isUntold`: numbers were given since the last heartbeat. `isWaiting`: an event is in the outbox,
 * beyond the position.
 */
export async function acquireLease(
  db: Db,
  owner: string,
  leaseMs: number,
  after = 0,
): Promise<(Lease & { isUntold: boolean; isWaiting: boolean }) | null> {
  const { rows } = await db.query<{ fence: number; isUntold: boolean; isWaiting: boolean }>(
    `${PLANNED_EACH_TIME} update producer
        set fence = fence + case when lease_owner = $1 and lease_until > clock_timestamp() then 0 else 1 end,
            lease_owner = $1, lease_until = clock_timestamp() + $2 * interval '1 millisecond'
      where lease_owner = $1 or lease_until is null or lease_until < clock_timestamp()
      returning fence, last_seq > heartbeat_seq as "isUntold",
                exists (select from outbox where position > $3) as "isWaiting"`,
    [owner, leaseMs, after],
  );
  return rows[0] ? { owner, ...rows[0] } : null;
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

/** Rows that were read, of which the audit events are now numbered. */
export interface Claim {
  rows: OutboxRow[];
  /** The audit events' numbers, in the journal; null when there are none. */
  batch: Batch | null;
  /** Every transaction below xmin has ended; every one that had begun is below xmax. */
  xmin: bigint;
  xmax: bigint;
}

/**
 * Reads the rows beyond a position, in order, and gives the audit events among them the next
 * numbers, in one journal row: one statement. Throws LeaseLost when there are some and the lease is
 * another's; then nothing is numbered.
 */
export async function claimRows(
  db: Db,
  lease: Lease,
  after: number,
  upTo: number,
  limit: number,
): Promise<Claim> {
  const values = [lease.owner, lease.fence, after, upTo, limit];
  const { rows } = await db.query<Claimed>(CLAIM, values);
  const [first] = rows;
  const found = rows.filter((row): row is Claimed & OutboxRow => row.position !== null);
  const positions = found.filter((row) => row.audience === "audit").map((row) => row.position);
  const numbers = positions.length > 0 ? first : undefined;
  if (numbers && (numbers.epoch === null || numbers.firstSeq === null)) throw new LeaseLost();
  return {
    rows: found.map(({ position, audience, type, event }) => ({ position, audience, type, event })),
    batch: numbers ? { epoch: numbers.epoch ?? 0, firstSeq: numbers.firstSeq ?? 0, positions } : null,
    xmin: BigInt(first?.xmin ?? 0),
    xmax: BigInt(first?.xmax ?? 0),
  };
}

type Claimed = { [K in keyof OutboxRow]: OutboxRow[K] | null } & {
  epoch: number | null;
  firstSeq: number | null;
  xmin: string;
  xmax: string;
};

// One statement, hence one snapshot, whose row is always there: the outbox may be empty. Like all
// that read the outbox it is planned each time, since a million rows may wait in it.
const CLAIM = `${PLANNED_EACH_TIME} with next as materialized (
       select position, audience, type, event::text as event from outbox
        where position > $3 and position <= $4 order by position limit $5),
     audit as (
       select array_agg(position order by position) as positions, count(*) as n from next
        where audience = 'audit' having count(*) > 0),
     mine as (
       update producer set last_seq = last_seq + audit.n from audit
        where lease_owner = $1 and fence = $2
       returning epoch, last_seq - audit.n + 1 as first_seq, audit.positions),
     journal as (
       insert into relay_batches (epoch, first_seq, positions) select epoch, first_seq, positions from mine)
     select next.*, mine.epoch, mine.first_seq as "firstSeq", s.xmin::text, s.xmax::text
       from (select pg_snapshot_xmin(now) as xmin, pg_snapshot_xmax(now) as xmax
               from pg_current_snapshot() as now) s
       left join next on true left join mine on true
      order by next.position`;

/** The rows at these positions, in their order; those that are gone are left out. */
export async function readPositions(db: Db, positions: readonly number[]): Promise<OutboxRow[]> {
  const { rows } = await db.query<OutboxRow>(
    `${PLANNED_EACH_TIME} select position, audience, type, event::text as event from outbox
            where position = any($1::bigint[]) order by position`,
    [positions],
  );
  return rows;
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
 * lease. False when the lease is lost: then nothing is deleted.
 */
export async function deleteConfirmed(
  db: Db,
  lease: Lease,
  leaseMs: number,
  positions: readonly number[],
  batch: Batch | null,
): Promise<boolean> {
  const { rowCount } = await db.query(
    `${PLANNED_EACH_TIME} with mine as (
             update producer set lease_until = clock_timestamp() + $3 * interval '1 millisecond'
              where lease_owner = $1 and fence = $2 returning only_row),
           events as (delete from outbox where position = any($4::bigint[]) and exists (select from mine)),
           journal as (delete from relay_batches
                        where epoch = $5 and first_seq = $6 and exists (select from mine))
           select from mine`,
    [lease.owner, lease.fence, leaseMs, positions, batch?.epoch ?? null, batch?.firstSeq ?? null],
  );
  return rowCount === 1;
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
    `${PLANNED_EACH_TIME} select (select count(*) from (select from outbox limit $1) counted) as pending,
                  (select extract(epoch from clock_timestamp() - created_at)::float8
                     from outbox order by position limit 1) as oldest`,
    [MAX_COUNTED],
  );
  return { pending: rows[0]?.pending ?? 0, oldestSeconds: Math.max(0, rows[0]?.oldest ?? 0) };
}
