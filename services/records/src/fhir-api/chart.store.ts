import type { Actor, ResourceAction } from "@medvault/contracts";
import type { SealedRow } from "@medvault/keys";
import type { Db } from "@medvault/postgres";
import type { Chart } from "../access/access.store.ts";
import { reachOf } from "../access/reach.ts";
import { mapYielding } from "../bundles/batch.ts";
import { clinicalResources } from "../bundles/clinical-resources.ts";
import type { Context } from "../context.ts";
import { keptResources } from "../fhir/kept-resource.table.ts";
import { patients } from "../patients/patient.table.ts";
import type { Found } from "../resources/damaged-row.ts";
import type { Row } from "../resources/patient-owned.ts";
import type { PatientTable } from "../resources/patient-table.ts";
import { pageOf, parametersOf } from "../resources/reached-rows.ts";

/** Rows and bytes of boxes that are opened at a time; the last row may be larger than that. */
const BATCH_ROWS = 1_000;
const BATCH_BYTES = 4 * 1024 * 1024;

/** The tables of a chart, in the order in which it is shown. */
export const chartTables: readonly PatientTable<Row>[] = [patients, ...clinicalResources, keptResources];

/** A row of one of several tables, by its place among them. */
export interface ChartPosition {
  table: number;
  id: string;
}

export interface ChartSummary {
  total: number;
  /** How many of them come after the position that was asked for. */
  rest: number;
  /** Another one as soon as a row was added, changed or removed. */
  state: string;
}

const SUMMARY = `select count(*)::int as total,
       count(*) filter (where $4::int is null or (x.at, x.id) > ($4, $5::uuid))::int as rest,
       coalesce(bit_xor(hashtextextended(x.id::text, x.rev)), 0)::text as state
  from (${chartTables
    .map(({ statements }, at) => `select ${at} as at, r.id, r.rev from (${statements.idsOfPatient}) r`)
    .join("\n  union all ")}) x`;

/** How much there is of a chart that the actor reaches; `total` 0: they do not. */
export async function summarise(
  db: Db,
  actor: Actor,
  permission: ResourceAction,
  chart: Chart,
  after: ChartPosition | null,
): Promise<ChartSummary> {
  const { scope, userId } = reachOf(actor, permission);
  const values = [chart, scope, userId, after?.table, after?.id];
  const { rows } = await db.query<ChartSummary>(SUMMARY, values);
  return rows[0] as ChartSummary;
}

/** What is read, in the order in which it was stored, table by table. */
export interface Reading {
  tables: readonly { table: PatientTable<Row>; permission: ResourceAction }[];
  /** Of which chart; null: of all that the actor reaches with the table's permission. */
  chart: Chart | null;
  after: ChartPosition | null;
  /** How many rows; default: all. */
  most?: number;
  batchRows?: number;
  /** Of each table these alone. */
  ids?: readonly (readonly string[])[] | undefined;
}

/** Rows of one table, and how many bytes their boxes have. */
export interface ChartBatch {
  /** The place of their table among those that are read. */
  table: number;
  rows: Found<Row>[];
  bytes: number;
  /** The rows' entries as JSON, where the rows themselves were let go. */
  entries?: string[];
}

/** Rows that the actor reaches, in batches that are opened one at a time. */
export async function* readInOrder(
  context: Context,
  actor: Actor,
  { tables, chart, after, most = Number.POSITIVE_INFINITY, batchRows = BATCH_ROWS, ids }: Reading,
): AsyncGenerator<ChartBatch> {
  let left = most;
  for (const [at, { table, permission }] of tables.entries()) {
    if (after && at < after.table) continue;
    const wanted = ids?.[at] ?? null;
    if (wanted?.length === 0) continue;
    const reach = reachOf(actor, permission);
    const of = pageOf(chart, reach);
    let last = at === after?.table ? after.id : null;
    while (left > 0) {
      const limit = Math.min(left, batchRows);
      const values = [
        ...[...parametersOf(of, limit, reach, chart), BATCH_BYTES],
        ...(last === null ? [] : [last]),
        ...(wanted === null ? [] : [wanted]),
      ];
      const statement = table.reading(of, last !== null, wanted !== null);
      const { rows } = await context.pool.query<SealedRow>(statement, values);
      if (rows.length === 0) break;
      const bytes = rows.reduce((sum, { sealed }) => sum + sealed.length, 0);
      yield { table: at, rows: await mapYielding(rows, (row) => table.open(context.keyring, row)), bytes };
      left -= rows.length;
      if (rows.length < limit && bytes <= BATCH_BYTES) break;
      last = rows.at(-1)?.id as string;
    }
  }
}

/** A whole chart, as readInOrder. */
export const readChart = (
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  reading: Omit<Reading, "tables"> & { chart: Chart },
): AsyncGenerator<ChartBatch> =>
  readInOrder(context, actor, { ...reading, tables: chartTables.map((table) => ({ table, permission })) });
