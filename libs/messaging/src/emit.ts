import type { NewEvent } from "@medvault/contracts";
import { afterCommit, type Db, type Tx } from "@medvault/postgres";
import { type OutboxEvent, toOutboxEvent } from "./envelope.ts";
import { countEvents } from "./event-count.ts";
import { insertEvents, insertEventsWith, type WithChange } from "./outbox.store.ts";
import { channelToNotify, wakeRelays } from "./wake.ts";

/**
 * Puts events into the outbox of `source` (the service's name) in the transaction of their change,
 * and wakes the relay once it has committed. Gives their ids. Throws EventRefused before it writes
 * anything.
 */
export async function emit(tx: Tx, source: string, ...events: NewEvent[]): Promise<string[]> {
  if (events.length === 0) return [];
  const rows = events.map((event) => toOutboxEvent(source, event));
  await insertEvents(tx, rows, channelToNotify(source));
  afterCommit(tx, () => announce(source, rows));
  return rows.map(({ id }) => id);
}

/**
 * A change and its events in one statement, of a transaction or on its own: a round trip instead of
 * four. False, and nothing is announced, where nothing was changed. Throws EventRefused before it
 * writes anything.
 */
export async function emitWith(
  db: Db,
  source: string,
  events: readonly NewEvent[],
  change: WithChange,
): Promise<boolean> {
  const rows = events.map((event) => toOutboxEvent(source, event));
  const isChanged = await insertEventsWith(db, rows, change, channelToNotify(source));
  if (isChanged) afterCommit(db, () => announce(source, rows));
  return isChanged;
}

function announce(source: string, committed: readonly OutboxEvent[]): void {
  countEvents(source, committed);
  wakeRelays(source);
}
