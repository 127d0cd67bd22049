import type { Row } from "../resources/patient-owned.ts";
import type { PatientTable } from "../resources/patient-table.ts";
import type { CheckedTable } from "./expected-row.store.ts";

/** The table key of records whose MACs are on what is expected. */
export const MAC_KEY = "row-check";

/** Their events have no hash of the box. */
const UNTOLD: ReadonlySet<string> = new Set(["legalhold", "erasure-request"]);

/** The tables whose rows the log knows. */
export const checkedTables = (tables: readonly PatientTable<Row>[]): CheckedTable[] =>
  tables
    .filter(({ noun }) => !UNTOLD.has(noun))
    .map(({ noun, layout: { table, subject } }) => ({ kind: noun, table, subject }));
