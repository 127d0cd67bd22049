import type { WithoutPeople } from "@medvault/contracts";
import type { BASIS, Basis } from "../access/basis.ts";
import type { Original } from "../fhir/resource.ts";
import type { CHART, MergedChart } from "./chart.ts";

/** What every stored row has. */
export interface Row {
  id: string;
  rev: number;
  /** Where charts were merged: in which it is shown. */
  readonly [CHART]?: MergedChart;
  readonly [BASIS]?: Basis;
}

/** What each row of a patient-owned resource has, whatever it is about. */
export interface PatientOwned extends Row {
  patientId: string;
  createdAt: Date;
  updatedAt: Date;
  /** The FHIR resource that it came from, with what was changed here. */
  source: Original | null;
}

/** A view as it is stored: instants are Dates, and there is a revision. */
export type Stored<View, Instant extends keyof View> = Omit<Row, "id"> & {
  [K in keyof WithoutPeople<View>]: K extends Instant ? Date | Extract<View[K], null> : View[K];
};

/** A value after a change made here, one revision on. */
export function nextRevision<T extends Omit<PatientOwned, "patientId">>(
  value: T,
  changed: Partial<T>,
  now = new Date(),
): T {
  return { ...value, ...changed, rev: value.rev + 1, updatedAt: now };
}

/** What says who wrote its present version; null where that was not kept yet. */
export interface Authored {
  updatedBy: string | null;
}

/** The next version says who wrote it. */
export const updatedBy = <T extends Authored>(next: T, _former: T, by: string): T => ({
  ...next,
  updatedBy: by,
});

/** A version that another took the place of, whole; sealed under its patient's key. */
export interface PastRow extends Row {
  patientId: string;
  /** The noun of the resource. */
  kind: string;
  rowId: string;
  /** The revision that it was. */
  version: number;
  value: object;
}

/** What is kept of a version when the next one takes its place. */
export function pastRow(kind: string, patientId: string, former: Row, id: string): PastRow {
  return { id, rev: 1, patientId, kind, rowId: former.id, version: former.rev, value: former };
}

export const MAX_VERSIONS_SHOWN = 1_000;
