import type { DamagedRow as DamagedView } from "@medvault/contracts";
import { shownUnder } from "./chart.ts";
import type { Row } from "./patient-owned.ts";

/** A row that does not open: what its columns say, which nothing vouches for. */
export interface DamagedRow extends Row {
  readonly patientId: string;
  readonly damaged: true;
  /** Of a former version: which one it was. */
  readonly version?: number;
}

/** A value of a resource, or what is left of it. */
export type Found<T extends Row> = T | DamagedRow;

export const isDamaged = (value: Row): value is DamagedRow => (value as Partial<DamagedRow>).damaged === true;

/** What a list shows in the place of a damaged row. */
export const damagedView = (row: DamagedRow): DamagedView => ({
  id: row.id,
  patientId: shownUnder(row, row.patientId),
  damaged: true,
});
