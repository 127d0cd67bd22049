import type { CloudEvent } from "@medvault/contracts";
import type { Db } from "@medvault/postgres";

/** Events that stand in the outbox, in the order in which they were written. For tests without a relay. */
export async function pendingEvents(db: Db): Promise<CloudEvent[]> {
  const { rows } = await db.query<{ event: CloudEvent }>("select event from outbox order by position");
  return rows.map((row) => row.event);
}

/** As `pendingEvents`, and takes them out: what a test did before does not show in what it asserts next. */
export async function drainedEvents(db: Db): Promise<CloudEvent[]> {
  const { rows } = await db.query<{ event: CloudEvent }>(
    `with gone as (delete from outbox returning position, event)
     select event from gone order by position`,
  );
  return rows.map((row) => row.event);
}
