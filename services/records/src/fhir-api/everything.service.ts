import {
  type Actor,
  decodeCursor,
  type EverythingQuery,
  encodeCursor,
  InvalidInput,
  losslessJson,
  MAX_CHART_PAGE,
  NotFound,
} from "@medvault/contracts";
import { z } from "zod";
import { chartInReach } from "../access/access.store.ts";
import { BASIS } from "../access/basis.ts";
import { mapYielding } from "../bundles/batch.ts";
import type { Context } from "../context.ts";
import { keptResources } from "../fhir/kept-resource.table.ts";
import { maskLink, maskResource } from "../fhir/mask-resource.ts";
import { unmaskAct } from "../patients/patient.service.ts";
import { patients as patientTable } from "../patients/patient.table.ts";
import { type Found, isDamaged } from "../resources/damaged-row.ts";
import { fingerprint } from "../resources/paging.ts";
import type { Row } from "../resources/patient-owned.ts";
import type { PatientTable } from "../resources/patient-table.ts";
import { type Act, damaged, done } from "../resources/resource.events.ts";
import { type ChartBatch, type ChartPosition, chartTables, readChart, summarise } from "./chart.store.ts";
import { type Entry, entryOf } from "./chart-entry.ts";
import { type Gathered, gather } from "./gathered-masks.service.ts";
import { linkedEntry } from "./merged-link.ts";
import { pageLinks } from "./page-link.ts";
import { patientReferencesOf } from "./patient-reference.ts";

const Cursor = z.strictObject({
  table: z.string().max(64),
  id: z.uuid(),
  of: z.string().length(16),
});

/** What is asked for: whose chart, which of it, and how its links begin. */
interface Asked extends EverythingQuery {
  id: string;
  /** The base URL of the FHIR API. */
  base: string;
}

type Batches = Iterable<ChartBatch> | AsyncIterable<ChartBatch>;

/**
 * A page of all that is kept about a patient, as a FHIR R4 Bundle in pieces of JSON: originals as
 * they came, else resources made of the fields. Persons' sensitive fields are masked, where they
 * stand and wherever else their values do, but for those of `unmask`. It is read as it is sent, so
 * that it takes the same memory whatever its size. Throws NotFound, InvalidInput for a cursor of
 * another query, and as readPatient does.
 */
export async function everything(
  context: Context,
  actor: Actor,
  asked: Asked,
): Promise<AsyncGenerator<string>> {
  const { id, unmask = [], _count: limit = MAX_CHART_PAGE } = asked;
  const after = positionOf(asked);
  const chart = await chartInReach(context.pool, actor, "fhir:export", id);
  if (!chart) throw new NotFound();
  const { total, rest, state } = await summarise(context.pool, actor, "fhir:export", chart, after);
  const acts = await unmaskAct(context, actor, id, unmask);
  const gathered = await gather(context, actor, "fhir:export", chart, unmask, {
    state,
    page: { after, rows: limit },
    isAskedAgain: total > limit,
  });
  const exported: Act = {
    noun: "fhir",
    verb: "exported",
    permission: "fhir:export",
    subject: `patient/${id}`,
    patientIds: [id],
    basis: chart[BASIS],
    details: { count: Math.min(rest, limit) },
  };
  await context.appender.append(...[exported, ...acts].map((one) => done(actor, one)));
  const batches = noting(
    context,
    actor,
    gathered.held ?? readChart(context, actor, "fhir:export", { chart, after, most: limit }),
  );
  return bundle(asked, gathered, batches, { total, rest, limit });
}

/** Each batch once the events of what is damaged in it are durable. */
async function* noting(context: Context, actor: Actor, batches: Batches): AsyncGenerator<ChartBatch> {
  for await (const batch of batches) {
    const noun = chartTables[batch.table]?.noun ?? "fhir";
    const lost = batch.rows.filter(isDamaged).map((row) => damaged(actor, noun, "fhir:export", row));
    if (lost.length > 0) await context.appender.append(...lost);
    yield batch;
  }
}

async function* bundle(
  asked: Asked,
  { masks, fullUrl, urls, patients }: Gathered,
  batches: Batches,
  { total, rest, limit }: { total: number; rest: number; limit: number },
): AsyncGenerator<string> {
  const { id, base, _type: types, _since: since } = asked;
  const isWhole = types === undefined && since === undefined;
  yield `{"resourceType":"Bundle","type":"searchset",${isWhole ? `"total":${total},` : ""}`;
  const { ofClinical, ofKept } = patientReferencesOf(patients);
  const referring = (table: PatientTable<Row>, entry: Entry, row: Found<Row>): Entry => {
    if (table.noun === patientTable.noun || isDamaged(row)) return entry;
    return (table.noun === keptResources.noun ? ofKept : ofClinical)(entry, table.patientOf(row));
  };
  let left = limit;
  let last: ChartPosition | null = null;
  let separator = '"entry":[';
  for await (const batch of batches) {
    const table = chartTables[batch.table] as (typeof chartTables)[number];
    const rows = batch.rows.slice(0, left);
    const opened = rows.map((row, at) => ({ row, text: batch.entries?.[at] }));
    const shown = since === undefined ? opened : opened.filter(({ row }) => isSince(row, new Date(since)));
    const entries = await mapYielding(shown, ({ row, text }) => {
      const found = text ? (JSON.parse(text) as Entry) : entryOf(table, row, { reference: fullUrl });
      const entry = linkedEntry(referring(table, found, row), row, urls);
      if (types && !types.includes(entry.resource.resourceType)) return [];
      const link = maskLink(entry.fullUrl, masks);
      return [losslessJson({ fullUrl: link, resource: maskResource(entry.resource, masks) })];
    });
    const texts = entries.flat();
    if (texts.length > 0) {
      yield separator + texts.join(",");
      separator = ",";
    }
    left -= rows.length;
    last = { table: batch.table, id: rows.at(-1)?.id ?? id };
    if (left === 0) break;
  }
  const next = left === 0 && rest > limit && last ? cursorOf(asked, last) : null;
  const { unmask, _count } = asked;
  const query = Object.entries({ unmask, _count, _since: since, _type: types });
  yield separator === "," ? "]," : ""; // R4 has no empty list
  yield `"link":${JSON.stringify(pageLinks(`${base}/Patient/${id}/$everything`, query, next))}}`;
}

/** What does not say when it was changed may have been. */
function isSince(row: Found<Row>, since: Date): boolean {
  const { updatedAt, createdAt } = row as { updatedAt?: Date; createdAt?: Date };
  const changed = updatedAt ?? createdAt;
  return changed === undefined || changed >= since;
}

const boundTo = ({ id, unmask, _since, _type }: Asked): string =>
  fingerprint(["everything", id, unmask, _since, _type]);

function cursorOf(asked: Asked, { table, id }: ChartPosition): string {
  return encodeCursor({ table: chartTables[table]?.noun, id, of: boundTo(asked) });
}

function positionOf(asked: Asked): ChartPosition | null {
  const cursor = decodeCursor(Cursor, asked._cursor);
  if (cursor === undefined) return null;
  const table = chartTables.findIndex(({ noun }) => noun === cursor.table);
  if (table === -1 || cursor.of !== boundTo(asked)) {
    throw new InvalidInput("The cursor belongs to another query.", [
      { path: "_cursor", message: "belongs to another query" },
    ]);
  }
  return { table, id: cursor.id };
}
