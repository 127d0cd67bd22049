import {
  type AuditEventView,
  type AuditExportQuery,
  type AuditFilter,
  Forbidden,
  scopeOf,
} from "@medvault/contracts";
import type { Caller } from "@medvault/service-kit";
import type { z } from "zod";
import type { Context } from "../context.ts";
import { actorsIn, rowsInOrder } from "../events/event.store.ts";
import { requireWholeLog, viewOf } from "../events/event.ts";
import { readingEvent } from "../events/reading.events.ts";
import { tableSize } from "../log/log.store.ts";
import { csvHeader, csvLine } from "./csv.ts";

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

/**
 * Who did what with a chart, as CSV in the order of the log, for the archive that a patient takes
 * away: for the patient, and for who reads the whole log. `charts` are those of the delegation that
 * the request came with: records and files have decided on them. @throws Forbidden
 */
export async function beginChartLog(
  context: Context,
  caller: Caller,
  charts: readonly string[],
  patientId: string,
): Promise<AsyncGenerator<string>> {
  const isOwn = scopeOf(caller, "fhir:export") === "own" && scopeOf(caller, "audit:read") !== null;
  const isAllowed = isOwn || scopeOf(caller, "audit:read") === "any";
  if (!charts.includes(patientId) || !isAllowed) throw new Forbidden();
  const filter = { patientId };
  const size = await tableSize(context.pool);
  await context.appender.append(
    readingEvent(caller, "exported", { filter, details: { format: "csv", size } }),
  );
  return chartLines(context, filter, size, await actorNames(context, caller, filter, size));
}

async function* chartLines(
  context: Context,
  filter: AuditFilter,
  size: number,
  names: Names,
): AsyncGenerator<string> {
  yield csvHeader("told");
  for await (const views of viewsOf(context, filter, size, names))
    yield views.map((view) => csvLine(view, "told")).join("");
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
  context: Context,
  { format, ...filter }: Query,
  size: number,
  names: Names,
): AsyncGenerator<string> {
  if (format === "csv") yield csvHeader();
  for await (const views of viewsOf(context, filter, size, names))
    yield views.map((view) => (format === "csv" ? csvLine(view) : `${JSON.stringify(view)}\n`)).join("");
}

async function* viewsOf(
  { pool, seal }: Context,
  filter: AuditFilter,
  size: number,
  names: Names,
): AsyncGenerator<AuditEventView[]> {
  for (let from = 0; from < size; ) {
    const rows = await rowsInOrder(pool, filter, from, size, STEP_ROWS);
    yield rows.map((row) => named(viewOf(seal, row), names));
    if (rows.length < STEP_ROWS) return;
    from = (rows.at(-1)?.idx ?? size) + 1;
  }
}
