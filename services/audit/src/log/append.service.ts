import type { CloudEvent } from "@medvault/contracts";
import { Outdated, type Tx } from "@medvault/postgres";
import type { Counted } from "./arrival-count.service.ts";
import type { BodySeal } from "./body-seal.ts";
import { columnsOf, makeEntries } from "./entry.ts";
import { lockWriter } from "./lease.store.ts";
import { appendRows, isKnownEvent, knownIds } from "./log.store.ts";
import { numberedOf } from "./numbered.ts";
import type { OwnRow } from "./own-entries.ts";
import { WriterRefuses } from "./writer.errors.ts";

/** What an append needs to know of the writer that makes it. */
export interface AppendContext {
  readonly seal: BodySeal;
  /** The writer's fencing epoch. */
  readonly epoch: number;
  /** Where its last append left the log, if it knows. */
  readonly size: number | null;
  /** What was published, or appended by this writer: the log may never be shorter. */
  readonly leastSize: number;
}

/** What an append put where; `size` is the log's after it. */
export interface Appended {
  readonly size: number;
  readonly rows: readonly (OwnRow & Counted)[];
}

/**
 * Appends events to the log in the consumer's transaction; those that are in it already are left
 * out. One statement where the log ends where this writer left it.
 * @throws WriterFenced, WriterRefuses when the table does not end where it must, and Outdated when
 * some events are in the log already: then the transaction is run again, without `size`
 */
export async function append(
  tx: Tx,
  context: AppendContext,
  events: readonly CloudEvent[],
): Promise<Appended> {
  const once = new Map(events.map((event) => [event.id.toLowerCase(), event]));
  if (context.size !== null) {
    const appended = await appendNew(tx, context, context.size, [...once.values()]);
    if (appended) return appended;
  }
  const { size } = await lockWriter(tx, context.epoch);
  const known = await knownIds(tx, [...once.keys()]);
  const fresh = [...once].filter(([id]) => !known.has(id)).map(([, event]) => event);
  const appended = await appendAt(tx, context, size, fresh);
  if (appended === null) {
    throw new WriterRefuses("log_truncated", `the log does not end at the ${size} entries that it had`);
  }
  return appended;
}

async function appendNew(
  tx: Tx,
  context: AppendContext,
  size: number,
  events: readonly CloudEvent[],
): Promise<Appended | null> {
  try {
    return await appendAt(tx, context, size, events);
  } catch (error) {
    throw isKnownEvent(error) ? new Outdated() : error;
  }
}

async function appendAt(
  tx: Tx,
  context: AppendContext,
  size: number,
  fresh: readonly CloudEvent[],
): Promise<Appended | null> {
  if (size < context.leastSize) return null;
  if (fresh.length === 0) return { size, rows: [] };
  const rows = makeEntries(fresh).map(({ event, leaf, body }, at) => {
    const columns = columnsOf(event);
    const sealed = context.seal.seal(size + at, columns.id, body);
    return { ...columns, leaf, sealed, numbered: numberedOf(event, columns) };
  });
  const numbers = rows.flatMap(({ numbered }) => numbered ?? []);
  const count = await appendRows(tx, context.epoch, size, rows, numbers);
  return count === rows.length ? { size: size + count, rows } : null;
}
