import { type AuditEventView, type AuditExportQuery, Forbidden, scopeOf } from "@medvault/contracts";
import type { Caller } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { actorsIn, rowsInOrder } from "../events/event.store.ts";
import { openRow, requireWholeLog } from "../events/event.ts";
import { readingEvent } from "../events/reading.events.ts";
import { tableSize } from "../log/log.store.ts";
import { NotYetSigned } from "../proofs/proof.errors.ts";
import { checkpointCovering } from "../proofs/proof.service.ts";
import type { SignedCheckpoint } from "../tree/checkpoint.ts";
import { type Exported, nodesBeside } from "./cover.service.ts";
import { csvHeader, csvLine } from "./csv.ts";
import { type ExportedEntry, FORMATS } from "./format.ts";
import { ndjsonEnd, ndjsonLine, ndjsonNodes } from "./ndjson.ts";

const STEP_ROWS = 250;
/** Entries that one statement looks through: between two of them a drain may end the export. */
const STEP_ENTRIES = 50_000;
/** An export outlives its assertion, so that all names are asked for at its start: as many. */
const MAX_ACTORS = 5_000;

/**
 * Streams entries in the order of the log, as pieces of text: of the indexes that are asked for, up
 * to the size that the log has now. Resolves once the event of the export is durable.
 * @throws Forbidden
 */
export async function beginExport(
  context: Context,
  caller: Caller,
  { format, after, before, proof, ...filter }: AuditExportQuery,
): Promise<AsyncGenerator<string>> {
  requireWholeLog(caller);
  const size = await tableSize(context.pool);
  const end = Math.min(before ?? size, size);
  const exported: Exported = { filter, first: Math.min((after ?? -1) + 1, end), end };
  const details = { format, first: exported.first, end };
  await context.appender.append(readingEvent(caller, "exported", { filter, details }));
  const names = await actorNames(context, caller, exported);
  if (format === "ndjson") return ndjsonPieces(context, exported, names, proof !== "0");
  const { endsItself } = FORMATS[format];
  return otherPieces(context, format, exported, names, proof ? proof === "1" : endsItself);
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
  const end = await tableSize(context.pool);
  const exported: Exported = { filter, first: 0, end };
  const details = { format: "csv", first: 0, end };
  await context.appender.append(readingEvent(caller, "exported", { filter, details }));
  return chartLines(context, exported, await actorNames(context, caller, exported));
}

async function* chartLines(context: Context, exported: Exported, names: Names): AsyncGenerator<string> {
  yield csvHeader("told");
  for await (const entries of entriesOf(context, exported, names))
    yield entries.map(({ view }) => csvLine(view, "told")).join("");
}

/** The lines of entries, then what proves that they are all there is (docs/audit-log.md). */
async function* ndjsonPieces(
  context: Context,
  exported: Exported,
  names: Names,
  isProved: boolean,
): AsyncGenerator<string> {
  let count = 0;
  for await (const entries of entriesOf(context, exported, names)) {
    count += entries.length;
    yield entries.map((entry) => ndjsonLine(entry, isProved)).join("");
  }
  if (!isProved) return;
  const checkpoint = await checkpointOver(context, exported.end);
  const about = { first: exported.first, end: exported.end, count, filter: exported.filter };
  if (checkpoint === null) return yield ndjsonEnd(about, { reason: "not_yet_signed" });
  for await (const nodes of nodesBeside(context, exported, checkpoint.size)) yield ndjsonNodes(nodes);
  yield ndjsonEnd(about, { treeSize: checkpoint.size, checkpoint: checkpoint.note });
}

async function* otherPieces(
  context: Context,
  format: keyof typeof FORMATS,
  exported: Exported,
  names: Names,
  hasEnd: boolean,
): AsyncGenerator<string> {
  const { head, line, end } = FORMATS[format];
  if (head) yield head();
  let count = 0;
  for await (const entries of entriesOf(context, exported, names)) {
    count += entries.length;
    yield entries.map(line).join("");
  }
  if (!hasEnd) return;
  const { first, end: before, filter } = exported;
  const checkpoint = await checkpointOver(context, before);
  const proof = new URLSearchParams({ format: "ndjson", after: String(first - 1), before: String(before) });
  for (const [name, value] of Object.entries(filter)) proof.set(name, String(value));
  yield end({
    ...{ first, end: before, count, filter, time: context.now() },
    checkpoint: checkpoint?.note ?? null,
    proof: `/v1/audit/export?${proof}`,
  });
}

/** The latest checkpoint, where it covers entries up to `end`; null where none does yet. */
async function checkpointOver(context: Context, end: number): Promise<SignedCheckpoint | null> {
  if (end === 0) return null;
  return await checkpointCovering(context, end - 1).catch((error: unknown) => {
    if (error instanceof NotYetSigned) return null;
    throw error;
  });
}

type Names = ReadonlyMap<string, string | null>;

async function actorNames(
  { pool, people }: Context,
  caller: Caller,
  { filter, first, end }: Exported,
): Promise<Names> {
  const ids = await actorsIn(pool, filter, first, end, MAX_ACTORS);
  const nameOf = await people.namesOf(caller, ids);
  return new Map(ids.map((id) => [id, nameOf(id)]));
}

function named(event: AuditEventView, names: Names): AuditEventView {
  const { actor } = event;
  return { ...event, actor: actor && { ...actor, name: names.get(actor.id) ?? null } };
}

async function* entriesOf(
  { pool, seal }: Context,
  { filter, first, end }: Exported,
  names: Names,
): AsyncGenerator<ExportedEntry[]> {
  for (let from = first; from < end; ) {
    const to = Math.min(end, from + STEP_ENTRIES);
    const rows = await rowsInOrder(pool, filter, from, to, STEP_ROWS);
    yield rows.map((row) => {
      const { view, body } = openRow(seal, row);
      return { view: named(view, names), leaf: row.leaf, body };
    });
    from = rows.length < STEP_ROWS ? to : (rows.at(-1)?.idx ?? to) + 1;
  }
}
