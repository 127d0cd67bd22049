import { hash } from "node:crypto";
import { ROWS_ASKED, type RowEvent, type RowEventPage } from "@medvault/contracts";
import type { Db } from "@medvault/postgres";
import type { BodySeal } from "../log/body-seal.ts";
import { eventOf } from "../log/entry.ts";
import { type LogRow, newestOfType, rowsFrom, tableSize } from "../log/log.store.ts";
import { rowEventOf } from "./row-event.ts";

const STEP_ROWS = 1_000;
/** How many of the newest tickets count: two replicas and a command have one each. */
const MAX_TICKETS = 20;

interface OpenedLog {
  readonly pool: Db;
  readonly seal: BodySeal;
}

/**
 * What the log says of rows, from index `from` on, page by page up to its present end. Every entry
 * is opened: its columns are not what is believed.
 */
export async function* rowEvents({ pool, seal }: OpenedLog, from: number): AsyncGenerator<RowEventPage> {
  const size = await tableSize(pool);
  let next = Math.min(from, size);
  if (from >= size) yield { events: [], next: size, size, missing: 0 };
  while (next < size) {
    const to = Math.min(next + STEP_ROWS, size);
    const rows = await rowsFrom(pool, next, to, STEP_ROWS);
    const opened = rows.map((row) => openedAt(seal, row));
    const events = opened.filter((event) => event !== null && event !== "nothing") as RowEvent[];
    const unread = opened.filter((event) => event === null).length;
    yield { events, next: to, size, missing: to - next - rows.length + unread };
    next = to;
  }
}

/** Null: it cannot be read. */
function openedAt(seal: BodySeal, row: LogRow): RowEvent | "nothing" | null {
  const body = seal.open(row.idx, row.id, row.sealed);
  const event = body === null ? null : eventOf(body, row.leaf);
  if (event === null || event.id.toLowerCase() !== row.id) return null;
  return rowEventOf(event, row.idx) ?? "nothing";
}

/** Whether records told the log of this ticket at `since` or later. */
export async function isKnownTicket(
  { pool, seal }: OpenedLog,
  ticket: string,
  since: Date,
): Promise<boolean> {
  const ticketSha256 = hash("sha256", ticket, "hex");
  const rows = await newestOfType(pool, ROWS_ASKED, since, MAX_TICKETS);
  return rows.some((row) => {
    const event = openedAt(seal, row);
    if (event === null || event === "nothing" || event.type !== ROWS_ASKED) return false;
    return event.details.ticketSha256 === ticketSha256 && Date.parse(event.time) >= since.getTime();
  });
}
