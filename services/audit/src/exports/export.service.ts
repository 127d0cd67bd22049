import type { Actor, AuditExportQuery } from "@medvault/contracts";
import type { z } from "zod";
import type { Context } from "../context.ts";
import { rowsInOrder } from "../events/event.store.ts";
import { requireWholeLog, viewOf } from "../events/event.ts";
import { readingEvent } from "../events/reading.events.ts";
import { tableSize } from "../log/log.store.ts";
import { CSV_HEADER, csvLine } from "./csv.ts";

const STEP_ROWS = 250;

type Query = z.infer<typeof AuditExportQuery>;

/**
 * Streams the log in its order, as pieces of text, up to the size that it has now. Resolves once
 * the event of the export is durable. @throws Forbidden
 */
export async function beginExport(
  context: Context,
  actor: Actor,
  query: Query,
): Promise<AsyncGenerator<string>> {
  requireWholeLog(actor);
  const { format, ...filter } = query;
  const size = await tableSize(context.pool);
  await context.appender.append(readingEvent(actor, "exported", { filter, details: { format, size } }));
  return pieces(context, query, size);
}

async function* pieces(
  { pool, seal }: Context,
  { format, ...filter }: Query,
  size: number,
): AsyncGenerator<string> {
  if (format === "csv") yield CSV_HEADER;
  for (let from = 0; from < size; ) {
    const rows = await rowsInOrder(pool, filter, from, size, STEP_ROWS);
    const views = rows.map((row) => viewOf(seal, row));
    yield views.map((view) => (format === "csv" ? csvLine(view) : `${JSON.stringify(view)}\n`)).join("");
    if (rows.length < STEP_ROWS) return;
    from = (rows.at(-1)?.idx ?? size) + 1;
  }
}
