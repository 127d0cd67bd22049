import type { Db } from "@medvault/postgres";
import type { OutboxEvent } from "./envelope.ts";

/** Inserts events into the outbox in one statement, in the order given. */
export async function insertEvents(db: Db, events: readonly OutboxEvent[]): Promise<void> {
  await db.query(
    `insert into outbox (id, audience, type, event)
     select e.id, e.audience, e.type, e.event
       from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]::json[])
            with ordinality as e (id, audience, type, event, n)
      order by e.n`,
    [
      events.map((event) => event.id),
      events.map((event) => event.audience),
      events.map((event) => event.type),
      events.map((event) => event.json),
    ],
  );
}
