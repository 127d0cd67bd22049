import type { CloudEvent } from "@medvault/contracts";
import type { Db } from "@medvault/postgres";

/** Events in the outbox, oldest first. For tests without a relay. */
export async function pendingEvents(db: Db): Promise<CloudEvent[]> {
  const { rows } = await db.query<{ event: CloudEvent }>("select event from outbox order by position");
  return rows.map((row) => row.event);
}

/** As `pendingEvents`, and removes them, so that the next assertion sees later ones only. */
export async function drainedEvents(db: Db): Promise<CloudEvent[]> {
  const { rows } = await db.query<{ event: CloudEvent }>(
    `with gone as (delete from outbox returning position, event)
     select event from gone order by position`,
  );
  return rows.map((row) => row.event);
}
