import type { CloudEvent } from "@medvault/contracts";
import type { Db } from "@medvault/postgres";
import type { Poison } from "./incoming.ts";

/** Notes events as taken by this consumer; answers the new ones. A double in the list is one. */
export async function takeNew(
  db: Db,
  consumer: string,
  events: readonly CloudEvent[],
): Promise<CloudEvent[]> {
  if (events.length === 0) return [];
  const { rows } = await db.query<{ source: string; event_id: string }>(
    `insert into inbox (consumer, source, event_id)
     select $1, e.source, e.id from unnest($2::text[], $3::uuid[]) as e (source, id)
      order by e.source, e.id
     on conflict do nothing
     returning source, event_id`,
    [consumer, events.map((event) => event.source), events.map((event) => event.id)],
  );
  const taken = new Set(rows.map((row) => `${row.source} ${row.event_id}`));
  return events.filter((event) => taken.delete(`${event.source} ${event.id}`));
}

/** Takes back the note of events that took no effect. */
export async function untake(db: Db, consumer: string, events: readonly CloudEvent[]): Promise<void> {
  for (const { source, id } of events) {
    await db.query("delete from inbox where consumer = $1 and source = $2 and event_id = $3", [
      consumer,
      source,
      id,
    ]);
  }
}

// What a parked row keeps of a body; more than any message of ours has.
const MAX_PARKED_BYTES = 2 * 1024 * 1024;

/** Parks messages; one that is parked already stays as it is. */
export async function park(db: Db, consumer: string, poison: readonly Poison[]): Promise<void> {
  for (const message of poison) {
    await db.query(
      `insert into parked (id, consumer, reason, user_id, content_type, routing_key, body)
       values ($1, $2, $3, $4, $5, $6, $7) on conflict (id) do nothing`,
      [
        message.id,
        consumer,
        message.reason,
        message.userId,
        message.contentType,
        message.routingKey.slice(0, 255),
        message.body.subarray(0, MAX_PARKED_BYTES),
      ],
    );
  }
}

/** Forgets what was taken long ago, at most 10,000 rows at a time; answers how many it forgot. */
export async function pruneInbox(db: Db, olderThanDays: number): Promise<number> {
  const { rowCount } = await db.query(
    `delete from inbox where ctid = any (array(
       select ctid from inbox where received_at < now() - $1 * interval '1 day' limit 10000))`,
    [olderThanDays],
  );
  return rowCount ?? 0;
}
