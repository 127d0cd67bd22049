import type { NewEvent } from "@medvault/contracts";
import { afterCommit, type Tx } from "@medvault/postgres";
import { toOutboxEvent } from "./envelope.ts";
import { insertEvents } from "./outbox.store.ts";
import { wakeRelays } from "./wake.ts";

/**
 * Puts events into the outbox of `source` (the service's name) in the transaction of their change,
 * and wakes the relay once it has committed. Throws EventRefused before it writes anything.
 */
export async function emit(tx: Tx, source: string, ...events: NewEvent[]): Promise<void> {
  if (events.length === 0) return;
  await insertEvents(
    tx,
    events.map((event) => toOutboxEvent(source, event)),
  );
  afterCommit(tx, () => wakeRelays(source));
}
