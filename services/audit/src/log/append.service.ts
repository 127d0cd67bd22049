import type { CloudEvent } from "@medvault/contracts";
import type { Tx } from "@medvault/postgres";
import type { BodySeal } from "./body-seal.ts";
import { type Columns, columnsOf, makeEntries } from "./entry.ts";
import { lockForAppend } from "./lease.store.ts";
import { appendRows } from "./log.store.ts";
import type { Numbered } from "./sequence.store.ts";
import { WriterRefuses } from "./writer.errors.ts";

const HEARTBEAT_TYPE = /^medvault\.[a-z]+\.producer\.heartbeat\.v1$/;

/** What an append needs to know of the writer that makes it. */
export interface AppendContext {
  readonly seal: BodySeal;
  /** The writer's fencing epoch. */
  readonly epoch: number;
  /** The size of the tree that was published last: the log may never be shorter. */
  readonly publishedSize: number;
}

/**
 * Appends events to the log in the consumer's transaction; those that are in it already are left
 * out. Gives how many went in.
 * @throws WriterFenced, and WriterRefuses when the table does not end where it must
 */
export async function append(tx: Tx, context: AppendContext, events: readonly CloudEvent[]): Promise<number> {
  const once = new Map(events.map((event) => [event.id.toLowerCase(), event]));
  // The inbox keeps duplicates away for 90 days; the log itself knows every event for ever.
  const { size, known } = await lockForAppend(tx, context.epoch, [...once.keys()]);
  const fresh = [...once].filter(([id]) => !known.has(id)).map(([, event]) => event);
  if (fresh.length === 0) return 0;
  const rows = makeEntries(fresh).map(({ event, leaf, body }, at) => {
    const columns = columnsOf(event);
    return { ...columns, leaf, sealed: context.seal.seal(size + at, columns.id, body) };
  });
  const numbers = fresh.flatMap((event, at) => numbered(event, rows[at] as Columns));
  const appended = size < context.publishedSize ? 0 : await appendRows(tx, size, rows, numbers);
  if (appended !== rows.length) {
    throw new WriterRefuses("log_truncated", `the log does not end at the ${size} entries that it had`);
  }
  return appended;
}

function numbered(event: CloudEvent, columns: Columns): Numbered[] {
  const { producer, epoch, seq, occurredAt } = columns;
  if (epoch === null || seq === null) return [];
  const lastSeq = HEARTBEAT_TYPE.test(event.type) ? event.data.details?.lastSeq : undefined;
  const heartbeatSeq = typeof lastSeq === "number" && Number.isSafeInteger(lastSeq) ? lastSeq : null;
  return [{ producer, epoch, seq, occurredAt, heartbeatSeq }];
}
