import type { Actor } from "@medvault/contracts";
import type { SealedRow } from "@medvault/keys";
import type { Db } from "@medvault/postgres";
import { reachOf } from "../access/reach.ts";
import { mapYielding } from "../bundles/batch.ts";
import { clinicalResources } from "../bundles/clinical-resources.ts";
import type { Context } from "../context.ts";
import { keptResources } from "../fhir/kept-resource.table.ts";
import { patients } from "../patients/patient.table.ts";
import type { Found } from "../resources/damaged-row.ts";
import type { Row } from "../resources/patient-owned.ts";
import type { PatientTable } from "../resources/patient-table.ts";

/** Rows and bytes of boxes that are opened at a time; the last row may be larger than that. */
const BATCH_ROWS = 1_000;
const BATCH_BYTES = 4 * 1024 * 1024;

/** The tables of a chart, in the order in which it is shown. */
export const chartTables: readonly PatientTable<Row>[] = [patients, ...clinicalResources, keptResources];

/** Where a page of a chart begins: after this row of this table (by its place in `chartTables`). */
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

/** How much there is of a patient whom the actor may export; `total` 0: they may not. */
export async function summarise(
  db: Db,
  actor: Actor,
  patientId: string,
  after: ChartPosition | null,
): Promise<ChartSummary> {
  const { scope, userId } = reachOf(actor, "fhir:export");
  const values = [patientId, scope, userId, after?.table, after?.id];
  const { rows } = await db.query<ChartSummary>(SUMMARY, values);
  return rows[0] as ChartSummary;
}

/** Rows of one table of a chart, and how many bytes their boxes have. */
export interface ChartBatch {
  table: number;
  rows: Found<Row>[];
  bytes: number;
}

/**
 * The rows of a patient whom the actor may export, after a position, in batches that are opened one
 * at a time: at most `most`, and of each table those of `ids` alone, if given.
 */
export async function* readChart(
  context: Context,
  actor: Actor,
  patientId: string,
  after: ChartPosition | null,
  { most = Number.POSITIVE_INFINITY, ids }: { most?: number; ids?: readonly (readonly string[])[] },
): AsyncGenerator<ChartBatch> {
  const { scope, userId } = reachOf(actor, "fhir:export");
  let left = most;
  for (let at = after?.table ?? 0; at < chartTables.length; at++) {
    const table = chartTables[at] as PatientTable<Row>;
    const wanted = ids?.[at] ?? null;
    if (wanted?.length === 0) continue;
    let last = at === after?.table ? after.id : null;
    while (left > 0) {
      const limit = Math.min(left, BATCH_ROWS);
      const values = [patientId, scope, userId, last, limit, BATCH_BYTES, wanted];
      const { rows } = await context.pool.query<SealedRow>(table.statements.ofPatient, values);
      if (rows.length === 0) break;
      const bytes = rows.reduce((sum, { sealed }) => sum + sealed.length, 0);
      yield { table: at, rows: await mapYielding(rows, (row) => table.open(context.keyring, row)), bytes };
      left -= rows.length;
      if (rows.length < limit && bytes <= BATCH_BYTES) break;
      last = rows.at(-1)?.id as string;
    }
  }
}
