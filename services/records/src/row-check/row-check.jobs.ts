import { setTimeout as delay } from "node:timers/promises";
import { tableKey } from "@medvault/keys";
import { type Job, looked, type Metric } from "@medvault/runtime";
import type { Context } from "../context.ts";
import type { Row } from "../resources/patient-owned.ts";
import type { PatientTable } from "../resources/patient-table.ts";
import { checkedTables, MAC_KEY } from "./checked-tables.ts";
import type { CheckedTable } from "./expected-row.store.ts";
import { standing } from "./finding.store.ts";
import { CheckRunning, checkRows } from "./row-check.service.ts";

const EVERY_MS = 10 * 60_000;
/** It works for a quarter of the time, so that requests do not wait for it. */
const RESTS = 3;

export const rowCheckJobs = (context: Context, tables: readonly PatientTable<Row>[]): Job[] => [
  {
    name: "row-check",
    every: EVERY_MS,
    exclusive: true,
    atStart: false,
    run: ({ signal }) => checkNow(context, checkedTables(tables), signal),
  },
];

async function checkNow({ pool, keyring, rowLog }: Context, tables: CheckedTable[], signal: AbortSignal) {
  const key = await tableKey(pool, keyring, MAC_KEY);
  const rest = (workedMs: number) => delay(workedMs * RESTS, undefined, { signal });
  const check = {
    pool,
    key,
    log: rowLog,
    tables,
    signal,
    rest,
    onProgress: () => {},
  };
  try {
    await checkRows(check, false);
  } catch (error) {
    if (!(error instanceof CheckRunning)) throw error; // an operator's: theirs is the same
  } finally {
    key.fill(0);
  }
}

export function rowCheckMetrics({ pool }: Context): Metric[] {
  const found = looked(() => standing(pool));
  return [
    {
      name: "rows_disagreeing",
      help: "Rows that are not what the audit log says they were left as, as of the last check.",
      read: async () => (await found())?.found,
    },
    {
      name: "row_check_age_seconds",
      help: "Since all rows were last compared with the audit log.",
      read: async () => (await found())?.ageS ?? undefined,
    },
  ];
}

/** Degraded, and reads go on: what is wrong is some rows. */
export const rowCheckChecks = ({ pool }: Context) => ({
  rows: async () => ((await standing(pool)).found > 0 ? ("degraded" as const) : ("ok" as const)),
});
