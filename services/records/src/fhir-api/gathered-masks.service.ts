import type { Actor, SensitiveField } from "@medvault/contracts";
import { BoundedMap } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { gatherMasks, type MaskGathering, type Masks } from "../fhir/mask-resource.ts";
import { isDamaged } from "../resources/damaged-row.ts";
import { type ChartBatch, type ChartPosition, chartTables, readChart, summarise } from "./chart.store.ts";
import { entryOf } from "./chart-entry.ts";

/** Rows that say who somebody is, by table: ids alone, no content. */
interface Identifying {
  state: string;
  ids: string[][];
}

const MAX_CHARTS_KNOWN = 1_000;
const MAX_IDS_KNOWN = 2_000;
/** Of a small page the rows are opened once, and kept until it is sent. */
const MAX_HELD_BYTES = 8 * 1024 * 1024;

const known = new WeakMap<Context, BoundedMap<string, Identifying>>();

/** What a page is shown with. */
export interface Gathered {
  masks: Masks;
  /** How the patient is called in the chart. */
  fullUrl: string;
  /** The page's rows, if they were read and are small enough to be kept. */
  held: ChartBatch[] | null;
}

/**
 * The masks of a patient's whole chart, so that every page of it hides the same. Of a chart that is
 * read in parts it is remembered, until it changes, which rows they come from: only the first page
 * has to look at all of them.
 */
export async function gather(
  context: Context,
  actor: Actor,
  patientId: string,
  state: string,
  unmask: readonly SensitiveField[],
  page: { after: ChartPosition | null; rows: number; isPart: boolean },
): Promise<Gathered> {
  const charts = known.get(context) ?? new BoundedMap<string, Identifying>(MAX_CHARTS_KNOWN);
  known.set(context, charts);
  const before = charts.get(patientId);
  const remembered = before?.state === state ? before : null;
  const ids: string[][] = chartTables.map(() => []);
  let gathering: (MaskGathering & { fullUrl: string }) | null = null;
  let held: ChartBatch[] | null = remembered ? null : [];
  let heldBytes = 0;
  let wanted = page.rows;
  for await (const batch of readChart(context, actor, patientId, null, remembered ?? {})) {
    const { table, rows, bytes } = batch;
    const declared = chartTables[table] as (typeof chartTables)[number];
    for (const row of rows) {
      const reference = gathering?.fullUrl ?? ownUrl(patientId);
      const entry = entryOf(declared, row, { reference });
      // The patient's own row comes first.
      gathering ??= { ...gatherMasks(patientId, entry.fullUrl, unmask), fullUrl: entry.fullUrl };
      if (gathering.add(entry) || isDamaged(row) || table === 0) ids[table]?.push(row.id);
    }
    if (!held || wanted === 0) continue;
    const shown = rows.filter(({ id }) => isAfter({ table, id }, page.after)).slice(0, wanted);
    if (shown.length === 0) continue;
    heldBytes += bytes;
    wanted -= shown.length;
    if (heldBytes > MAX_HELD_BYTES) held = null;
    else held.push({ ...batch, rows: shown });
  }
  if (!remembered && page.isPart && ids.flat().length <= MAX_IDS_KNOWN) {
    const after = await summarise(context.pool, actor, patientId, null);
    if (after.state === state) charts.set(patientId, { state, ids });
  }
  const fullUrl = gathering?.fullUrl ?? ownUrl(patientId);
  return { masks: (gathering ?? gatherMasks(patientId, fullUrl, unmask)).masks(), fullUrl, held };
}

const ownUrl = (patientId: string): string => `urn:uuid:${patientId}`;

const isAfter = (one: ChartPosition, after: ChartPosition | null): boolean =>
  after === null || one.table > after.table || (one.table === after.table && one.id > after.id);
