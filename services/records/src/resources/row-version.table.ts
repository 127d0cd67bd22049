import type { PastRow } from "./patient-owned.ts";
import { patientTable } from "./patient-table.ts";

/** The former versions of every resource that declares an `author`. */
export const rowVersions = patientTable<PastRow>({
  noun: "row-version",
  table: "row_versions",
  closable: { type: { ofKind: "kind" }, id: "rowId" },
  columns: {
    patientId: { store: "uuid", content: false },
    kind: { store: "text", content: false },
    rowId: { store: "uuid", content: false },
    version: { store: "int", content: false },
    value: { store: "sealed", content: false },
  },
});
