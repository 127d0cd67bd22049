import { type Actor, Id, NotFound, newId, type ResourceAction, scopeOf } from "@medvault/contracts";
import { tableKey } from "@medvault/keys";
import type { Chart } from "../access/access.store.ts";
import { BASIS } from "../access/basis.ts";
import { requirePatient } from "../access/chart.service.ts";
import { yielding } from "../bundles/batch.ts";
import type { Context } from "../context.ts";
import { plainValue } from "../fhir/identifier.ts";
import type { FhirResource } from "../fhir/resource.ts";
import { unmaskAct } from "../patients/patient.service.ts";
import { patients } from "../patients/patient.table.ts";
import type { Patient } from "../patients/patient.ts";
import { shownUnder } from "../resources/chart.ts";
import { isDamaged } from "../resources/damaged-row.ts";
import { type Act, damaged, done } from "../resources/resource.events.ts";
import { type ChartPosition, readInOrder } from "./chart.store.ts";
import { type Entry, entryOf } from "./chart-entry.ts";
import { actOf, gatherFor, type Located, permittedSources, shown } from "./fhir-read.service.ts";
import { type FhirSource, sourcesOf } from "./fhir-source.ts";
import type { Gathered } from "./gathered-masks.service.ts";
import { pageLinks } from "./page-link.ts";
import { patientCandidates } from "./patient-candidate.service.ts";
import { cursorAfter, isSealed, openedCursor, positionIn, sealedCursor } from "./search-cursor.ts";
import { type SearchQuery, type Sent, searchQueryOf } from "./search-query.ts";
import { identified, versionOf } from "./version-of.ts";

/** Rows that are opened for one page; then it stays short, and the next one goes on from there. */
const MAX_OPENED = 5_000;
const BATCH_ROWS = 500;
/** Of each patient on a page the masks are gathered. */
const MAX_PATIENTS = 20;

/** A search as it came. */
export interface Search extends Sent {
  type: string;
  base: string;
}

interface Hit extends Located {
  entry: Entry;
}

/**
 * A page of the resources that match, among those that the caller may read; each row is opened to
 * compare what is sealed in it. Throws InvalidInput, Forbidden, PurposeRequired; NotFound for a
 * patient whom they may not know of.
 */
export async function searchResources(context: Context, actor: Actor, search: Search) {
  const query = await understood(context, actor, search);
  const { type, open, personal, unmask } = query;
  const sources = personal.length > 0 ? searchedByPerson(actor) : permittedSources(actor, type);
  const chart = await chartOf(context, actor, query, sources);
  const patientId = chart?.[0] ?? null;
  const ids = query.ids ?? (personal.length > 0 ? await patientCandidates(context, actor, personal) : null);
  const found = await find(context, actor, query, sources, chart, ids);
  const after = found.after;
  const hits = await withSurvivors(context, actor, found.hits);
  const gathered = new Map<string, Gathered>();
  const acts: Act[] = sources.flatMap((source, at) => searchAct(source, at, hits, search, patientId));
  for (const hit of hits) {
    if (gathered.has(hit.patientId)) continue;
    acts.push(...(await unmaskAct(context, actor, hit.patientId, unmask)));
    gathered.set(hit.patientId, await gatherFor(context, actor, hit, unmask));
  }
  const included = query.includesPatient ? await patientsOf(context, actor, [...gathered.keys()]) : [];
  acts.push(...included.map((hit) => actOf(hit.source, "read", hit)));
  const lost = hits.flatMap(({ source, row }) =>
    isDamaged(row) ? [damaged(actor, source.table.noun, source.permission, row)] : [],
  );
  await context.appender.append(...acts.map((act) => done(actor, act)), ...lost);
  const matches = hits.filter(({ row }) => !isDamaged(row)).length;
  const isWhole = after === null && query.cursor === undefined;
  const shownHits = [
    ...hits.map((hit) => [hit, "match"] as const),
    ...included.map((hit) => [hit, "include"] as const),
  ];
  const entry = [
    ...shownHits.map(([hit, mode]) => shownHit(hit, mode, search.base, gathered.get(hit.patientId))),
    ...ignoredEntry(query),
  ];
  const next = after && (await nextCursor(context, actor, query, after));
  return {
    body: {
      resourceType: "Bundle",
      type: "searchset",
      ...(isWhole && { total: matches }),
      link: pageLinks(`${search.base}/${type}`, open, next),
      ...(entry.length > 0 && { entry }),
    } as const,
  };
}

/** Says what of a search did nothing, if anything. */
function ignoredEntry({ type, ignored }: SearchQuery) {
  if (ignored.length === 0) return [];
  const issue = ignored.map((name) => ({
    ...{ severity: "warning", code: "not-supported" },
    diagnostics: `The parameter ${name} is not supported for ${type} and was ignored.`,
  }));
  const resource = { resourceType: "OperationOutcome", issue };
  return [{ fullUrl: `urn:uuid:${newId()}`, resource, search: { mode: "outcome" as const } }];
}

/** A search by what identifies a person is a permission of its own, as it is in our own search. */
function searchedByPerson(actor: Actor): readonly FhirSource[] {
  permittedSources(actor, "Patient");
  const permission: ResourceAction = "patient:search";
  return sourcesOf("Patient").map((source) => ({ ...source, permission }));
}

/** The search with what its cursor holds. */
async function understood(context: Context, actor: Actor, search: Search): Promise<SearchQuery> {
  const { type } = search;
  const query = searchQueryOf(type, search);
  if (query.cursor === undefined || !isSealed(query.cursor)) return query;
  const key = await tableKey(context.pool, context.keyring, CURSORS);
  const { cursor, pairs } = openedCursor(key, actor, type, query.cursor);
  const inUrl = search.inUrl.filter(([name]) => name !== "_cursor");
  return searchQueryOf(type, { ...search, inUrl, inBody: [...pairs, ["_cursor", cursor]] });
}
const CURSORS = "fhir_search_cursors";

async function nextCursor(context: Context, actor: Actor, query: SearchQuery, after: ChartPosition) {
  const cursor = cursorAfter(query, after);
  if (query.sealed.length === 0) return cursor;
  return sealedCursor(await tableKey(context.pool, context.keyring, CURSORS), actor, query, cursor);
}

async function chartOf(
  context: Context,
  actor: Actor,
  { patient }: SearchQuery,
  sources: readonly FhirSource[],
): Promise<Chart | null> {
  if (patient === null) return null;
  const id = Id.safeParse(patient).data;
  if (id === undefined) throw new NotFound();
  return requirePatient(context, actor, sources[0]?.permission ?? "patient:read", id);
}

/** What matches, and where the next page goes on; null at the end. */
async function find(
  context: Context,
  actor: Actor,
  query: SearchQuery,
  tables: readonly FhirSource[],
  chart: Chart | null,
  only: string[] | null,
): Promise<{ hits: Hit[]; after: ChartPosition | null }> {
  const { type, criteria, count } = query;
  const hits: Hit[] = [];
  const found = new Set<string>();
  let after = positionIn(query);
  let opened = 0;
  const ids = only ? tables.map(() => only) : undefined;
  const reading = { tables, chart, after, batchRows: BATCH_ROWS, ids };
  for await (const batch of readInOrder(context, actor, reading)) {
    const source = tables[batch.table] as FhirSource;
    for await (const row of yielding(batch.rows)) {
      const of = shownUnder(row, source.table.patientOf(row));
      const entry = entryOf(source.table, row, { reference: `Patient/${of}` });
      const isShown = type === "Patient" && found.has(of); // a merged chart, by another of its patients
      if (!isShown && (isDamaged(row) || matches(entry.resource, row, type, criteria))) {
        const isFull = hits.length === count || (!found.has(of) && found.size === MAX_PATIENTS);
        if (isFull) return { hits, after };
        found.add(of);
        hits.push({ source, row, patientId: of, entry });
      }
      after = { table: batch.table, id: row.id };
      opened += 1;
      if (opened === MAX_OPENED) return { hits, after };
    }
  }
  return { hits, after: null };
}

function matches(
  resource: FhirResource,
  row: Hit["row"],
  type: string,
  criteria: SearchQuery["criteria"],
): boolean {
  if (resource.resourceType !== type) return false;
  const named = identified(searchable(resource, row), versionOf(row));
  return criteria.every((meets) => meets(named));
}

/** Without the national id where the operator's policy takes it out of the search. */
function searchable(resource: FhirResource, row: Hit["row"]): FhirResource {
  const isOff = patients.table.declaration.exactOff?.includes("national_id") === true;
  const { identifier } = resource;
  if (!isOff || resource.resourceType !== "Patient" || !Array.isArray(identifier)) return resource;
  const nationalId = plainValue(String((row as Partial<Patient>).nationalId ?? ""));
  const isOther = ({ value }: { value?: unknown }) => plainValue(String(value ?? "")) !== nationalId;
  return { ...resource, identifier: identifier.filter(isOther) };
}

/**
 * One event of each table of which something was found, of the first in any case; and of each
 * reason for which the patients are reached.
 */
function searchAct(
  source: FhirSource,
  at: number,
  hits: readonly Hit[],
  { inBody }: Search,
  patientId: string | null,
): Act[] {
  const found = hits.filter((hit) => hit.source === source);
  if (at > 0 && found.length === 0) return [];
  const { table, permission, resource } = source;
  const byBasis = Map.groupBy(found, ({ row }) => row[BASIS]);
  if (byBasis.size === 0) byBasis.set(undefined, []);
  return [...byBasis].map(([basis, of]) => ({
    ...{ noun: table.noun, verb: inBody ? "searched" : "listed", permission, basis },
    subject: patientId === null ? (resource?.plural ?? table.noun) : `patient/${patientId}`,
    patientIds: patientId === null ? [...new Set(of.map((hit) => hit.patientId))] : [patientId],
    fields: resource?.fields ?? [],
    details: { count: of.length },
  }));
}

/** Where a patient who was merged into another was found, the one who stands for the chart. */
async function withSurvivors(context: Context, actor: Actor, hits: readonly Hit[]): Promise<readonly Hit[]> {
  const merged = hits.filter(
    ({ source, row, patientId }) => source.table.noun === patients.noun && row.id !== patientId,
  );
  if (merged.length === 0) return hits;
  const found = await patientsOf(
    context,
    actor,
    merged.map(({ patientId }) => patientId),
  );
  const survivors = new Map(found.map((hit) => [hit.patientId, hit]));
  return hits.map((hit) => ({
    ...((merged.includes(hit) && survivors.get(hit.patientId)) || hit),
    source: hit.source,
  }));
}

/** The patients themselves, as far as the caller may read them. */
async function patientsOf(context: Context, actor: Actor, ids: readonly string[]): Promise<Hit[]> {
  const tables = sourcesOf("Patient").filter(({ permission }) => scopeOf(actor, permission) !== null);
  const hits: Hit[] = [];
  for await (const { rows } of readInOrder(context, actor, {
    tables,
    chart: null,
    after: null,
    ids: [ids],
  })) {
    for (const row of rows) {
      const [source] = tables as [FhirSource];
      const entry = entryOf(source.table, row, { reference: `Patient/${row.id}` });
      hits.push({ source, row, patientId: row.id, entry });
    }
  }
  return hits;
}

function shownHit(
  { entry, row, source, patientId }: Hit,
  mode: "match" | "include",
  base: string,
  gathered: Gathered | undefined,
) {
  if (isDamaged(row) || !gathered) {
    return { fullUrl: `urn:uuid:${row.id}`, resource: entry.resource, search: { mode: "outcome" } };
  }
  // What was written here refers to the patient as the chart calls them.
  const made = entryOf(source.table, row, { reference: gathered.fullUrl });
  const resource = shown(made, versionOf(row), patientId, gathered);
  return { fullUrl: `${base}/${resource.resourceType}/${row.id}`, resource, search: { mode } };
}
