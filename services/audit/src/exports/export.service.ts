import type { AuditEventView, AuditExportQuery, AuditFilter } from "@medvault/contracts";
import type { Caller } from "@medvault/service-kit";
import type { z } from "zod";
import type { Context } from "../context.ts";
import { actorsIn, rowsInOrder } from "../events/event.store.ts";
import { requireWholeLog, viewOf } from "../events/event.ts";
import { readingEvent } from "../events/reading.events.ts";
import { tableSize } from "../log/log.store.ts";
import { CSV_HEADER, csvLine } from "./csv.ts";

const STEP_ROWS = 250;
/** An export outlives its assertion, so that all names are asked for at its start: as many. */
const MAX_ACTORS = 5_000;

type Query = z.infer<typeof AuditExportQuery>;

/**
 * Streams the log in its order, as pieces of text, up to the size that it has now. Resolves once
 * the event of the export is durable. @throws Forbidden
 */
export async function beginExport(
  context: Context,
  caller: Caller,
  query: Query,
): Promise<AsyncGenerator<string>> {
  requireWholeLog(caller);
  const { format, ...filter } = query;
  const size = await tableSize(context.pool);
  await context.appender.append(readingEvent(caller, "exported", { filter, details: { format, size } }));
  return pieces(context, query, size, await actorNames(context, caller, filter, size));
}

type Names = ReadonlyMap<string, string | null>;

async function actorNames(
  { pool, people }: Context,
  caller: Caller,
  filter: AuditFilter,
  size: number,
): Promise<Names> {
  const ids = await actorsIn(pool, filter, size, MAX_ACTORS);
  const nameOf = await people.namesOf(caller, ids);
  return new Map(ids.map((id) => [id, nameOf(id)]));
}

function named(event: AuditEventView, names: Names): AuditEventView {
  const { actor } = event;
  return { ...event, actor: actor && { ...actor, name: names.get(actor.id) ?? null } };
}

async function* pieces(
  { pool, seal }: Context,
  { format, ...filter }: Query,
  size: number,
  names: Names,
): AsyncGenerator<string> {
  if (format === "csv") yield CSV_HEADER;
  for (let from = 0; from < size; ) {
    const rows = await rowsInOrder(pool, filter, from, size, STEP_ROWS);
    const views = rows.map((row) => named(viewOf(seal, row), names));
    yield views.map((view) => (format === "csv" ? csvLine(view) : `${JSON.stringify(view)}\n`)).join("");
    if (rows.length < STEP_ROWS) return;
    from = (rows.at(-1)?.idx ?? size) + 1;
  }
}
