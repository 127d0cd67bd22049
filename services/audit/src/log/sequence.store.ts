import type { Db, Tx } from "@medvault/postgres";
import type { Arrival } from "./arrivals.ts";

/** A numbered event as it counts for completeness; `heartbeatSeq` where it is a heartbeat. */
export interface Numbered {
  readonly producer: string;
  readonly epoch: number;
  readonly seq: number;
  /** Milliseconds since 1970. */
  readonly occurredAt: number;
  readonly heartbeatSeq: number | null;
}

/**
 * Adds numbers in the append's statement, from `$at` on as `sequenceValues` gives them, and counts
 * those that had arrived before. `condition`: whether the append did.
 */
export const recordSequences = (at: number, condition: string): string =>
  `insert into sequences as known (producer, epoch, received, duplicates, last_event_at, heartbeat_seq, heartbeat_at)
     select producer, epoch, range_agg(int8range(seq, seq, '[]')), count(*) - count(distinct seq),
            to_timestamp(max(ms) / 1000.0), max(heartbeat),
            to_timestamp(max(ms) filter (where heartbeat is not null) / 1000.0)
       from unnest($${at}::text[], $${at + 1}::bigint[], $${at + 2}::bigint[], $${at + 3}::bigint[], $${at + 4}::bigint[])
            as new (producer, epoch, seq, ms, heartbeat)
      where ${condition}
      group by producer, epoch
     on conflict (producer, epoch) do update
        set received = known.received + excluded.received,
            duplicates = known.duplicates + excluded.duplicates
                       + (select coalesce(sum(upper(r) - lower(r)), 0) from unnest(known.received * excluded.received) r),
            last_event_at = greatest(known.last_event_at, excluded.last_event_at),
            heartbeat_seq = greatest(known.heartbeat_seq, excluded.heartbeat_seq),
            heartbeat_at = greatest(known.heartbeat_at, excluded.heartbeat_at)`;

export const sequenceValues = (events: readonly Numbered[]): unknown[][] => [
  events.map((event) => event.producer),
  events.map((event) => event.epoch),
  events.map((event) => event.seq),
  events.map((event) => event.occurredAt),
  events.map((event) => event.heartbeatSeq),
];

/** What the table says arrived of an epoch; `received` as Postgres writes a multirange. */
export interface Arrived {
  readonly producer: string;
  readonly epoch: number;
  readonly received: string;
  readonly heartbeatSeq: number | null;
}

/** The size of the log, and what had arrived at that size: one statement, hence one moment. */
export async function sizeAndArrived(db: Db): Promise<{ size: number; arrived: Arrived[] }> {
  const { rows } = await db.query<Arrived & { size: number }>(
    `select l.size, producer, epoch, received::text as received, heartbeat_seq as "heartbeatSeq"
       from (select coalesce(max(idx) + 1, 0) as size from log) l left join sequences on true`,
  );
  return { size: rows[0]?.size ?? 0, arrived: rows.filter(({ producer }) => producer !== null) };
}

/** Writes what the entries say into the emptied table. */
export async function refillSequences(tx: Tx, arrivals: readonly Arrival[]): Promise<void> {
  for (const each of arrivals) {
    const ranges = each.received.map(({ from, to }) => `[${from},${to})`).join(",");
    await tx.query(
      `insert into sequences (producer, epoch, received, duplicates, last_event_at, heartbeat_seq, heartbeat_at)
       values ($1, $2, $3, $4, to_timestamp($5::float8 / 1000), $6, to_timestamp($7::float8 / 1000))`,
      [
        each.producer,
        each.epoch,
        `{${ranges}}`,
        each.duplicates,
        each.lastEventAt,
        each.heartbeatSeq,
        each.heartbeatAt,
      ],
    );
  }
}
