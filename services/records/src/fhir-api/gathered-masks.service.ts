import type { Actor, ResourceAction, SensitiveField } from "@medvault/contracts";
import { BoundedMap } from "@medvault/service-kit";
import type { Chart } from "../access/access.store.ts";
import type { Context } from "../context.ts";
import { keptResources } from "../fhir/kept-resource.table.ts";
import { gatherMasks, type MaskGathering, type Masks } from "../fhir/mask-resource.ts";
import { CHART } from "../resources/chart.ts";
import { type Found, isDamaged } from "../resources/damaged-row.ts";
import type { Row } from "../resources/patient-owned.ts";
import { type ChartBatch, type ChartPosition, chartTables, readChart, summarise } from "./chart.store.ts";
import { type Entry, entryOf } from "./chart-entry.ts";
import { type ChartPatients, usesIn } from "./patient-reference.ts";

/** Rows that say who somebody is, by table: ids alone, no content. */
interface Identifying {
  state: string;
  ids: string[][];
  /** How clinical rows call their patient (patient-reference.ts). */
  uses: ReadonlySet<string>;
}

const MAX_CHARTS_KNOWN = 1_000;
const MAX_IDS_KNOWN = 2_000;
/** Rows that are opened for the masks are kept as text until their page is sent, up to so much. */
const MAX_HELD_CHARS = 24 * 1024 * 1024;

const known = new WeakMap<Context, BoundedMap<string, Identifying>>();

/** What a patient's resources are shown with. */
export interface Gathered {
  masks: Masks;
  /** How the patient is called in the chart. */
  fullUrl: string;
  /** How each patient of the chart is called in it, by their ids. */
  urls: ReadonlyMap<string, string>;
  patients: ChartPatients;
  /** All that refers to the patient in it. */
  names: ReadonlySet<string>;
  /** The page's rows, if they were read and are small enough to be kept. */
  held: ChartBatch[] | null;
}

/** For what the masks are gathered. */
interface Purpose {
  /** The state of the chart, if it is known already. */
  state?: string;
  /** The part of it that is going to be shown. */
  page?: { after: ChartPosition | null; rows: number };
  /** Whether another part is likely to be asked for: then the rows are remembered. */
  isAskedAgain: boolean;
}

/**
 * The masks of a whole chart, so that every part of it hides the same. Of a chart that is
 * read in parts it is remembered, until it changes, which rows they come from: only the first part
 * has to look at all of them.
 */
export async function gather(
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  chart: Chart,
  unmask: readonly SensitiveField[],
  { page, isAskedAgain, ...given }: Purpose,
): Promise<Gathered> {
  const stateNow = async () => (await summarise(context.pool, actor, permission, chart, null)).state;
  const [patientId] = chart;
  const state = given.state ?? (await stateNow());
  const charts = known.get(context) ?? new BoundedMap<string, Identifying>(MAX_CHARTS_KNOWN);
  known.set(context, charts);
  const before = charts.get(patientId);
  const remembered = before?.state === state ? before : null;
  const ids: string[][] = chartTables.map(() => []);
  const names = new Set<string>([ownUrl(patientId)]);
  const urls = new Map<string, string>();
  const own = new Map<string, Entry>();
  const twins: Entry[] = [];
  const uses = new Set(remembered?.uses);
  let gathering: (MaskGathering & { fullUrl: string }) | null = null;
  let held: ChartBatch[] | null = remembered || !page ? null : [];
  let heldChars = 0;
  let wanted = page?.rows ?? 0;
  const reading = { chart, after: null, ids: remembered?.ids };
  for await (const batch of readChart(context, actor, permission, reading)) {
    const { table, rows } = batch;
    const declared = chartTables[table] as (typeof chartTables)[number];
    // The surviving patient's own row comes first.
    for (const row of table === 0 ? rows.toSorted((one) => (one.id === patientId ? -1 : 1)) : rows) {
      const reference = gathering?.fullUrl ?? ownUrl(patientId);
      const entry = entryOf(declared, row, { reference });
      gathering ??= { ...gatherMasks(patientId, entry.fullUrl, unmask), fullUrl: entry.fullUrl };
      if (table === 0) {
        names.add(entry.fullUrl).add(`Patient/${entry.resource.id}`);
        urls.set(row.id, entry.fullUrl);
        if (!isDamaged(row)) own.set(row.id, entry);
      } else if (declared.noun !== keptResources.noun) {
        for (const use of usesIn(entry.resource, declared.patientOf(row))) uses.add(use);
      }
      const isTwin = table > 0 && entry.resource.resourceType === "Patient";
      if (isTwin) twins.push(entry);
      if (gathering.add(entry) || isDamaged(row) || table === 0 || isTwin) ids[table]?.push(row.id);
    }
    if (!held || wanted === 0) continue;
    const shown = rows.filter(({ id }) => isAfter({ table, id }, page?.after ?? null)).slice(0, wanted);
    if (shown.length === 0) continue;
    const reference = gathering?.fullUrl ?? ownUrl(patientId);
    const entries = shown.map((row) => JSON.stringify(entryOf(declared, row, { reference })));
    heldChars += entries.reduce((sum, { length }) => sum + length, 0);
    wanted -= shown.length;
    if (heldChars > MAX_HELD_CHARS) held = null;
    else held.push({ ...batch, rows: shown.map(withoutContent), entries });
  }
  const isToRemember = !remembered && isAskedAgain && ids.flat().length + uses.size <= MAX_IDS_KNOWN;
  if (isToRemember && (await stateNow()) === state) charts.set(patientId, { state, ids, uses });
  const fullUrl = gathering?.fullUrl ?? ownUrl(patientId);
  for (const use of uses) names.add(use.slice(use.indexOf(" ") + 1));
  const masks = (gathering ?? gatherMasks(patientId, fullUrl, unmask)).masks();
  return { masks, fullUrl, urls, patients: { own, twins, uses }, names, held };
}

const ownUrl = (patientId: string): string => `urn:uuid:${patientId}`;

type Kept = Record<"updatedAt" | "createdAt", Date> & Record<"patientId" | "subjectId", string>;

/** What of a row is needed beside its entry. */
function withoutContent(row: Found<Row>): Found<Row> {
  if (isDamaged(row)) return row;
  const { id, rev, updatedAt, createdAt, patientId, subjectId } = row as Row & Partial<Kept>;
  return { id, rev, updatedAt, createdAt, patientId, subjectId, [CHART]: row[CHART] } as Row;
}

const isAfter = (one: ChartPosition, after: ChartPosition | null): boolean =>
  after === null || one.table > after.table || (one.table === after.table && one.id > after.id);
