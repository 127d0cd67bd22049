import type { Original } from "../fhir/resource.ts";

/** What every stored row has. */
export interface Row {
  id: string;
  rev: number;
}

/** What each row of a patient-owned resource has, whatever it is about. */
export interface PatientOwned extends Row {
  patientId: string;
  createdAt: Date;
  updatedAt: Date;
  /** The FHIR resource that it came from, until it is changed here. */
  source: Original | null;
}

/** A view as it is stored: instants are Dates, and there is a revision. */
export type Stored<View, Instant extends keyof View> = { rev: number } & {
  [K in keyof View]: K extends Instant ? Date | Extract<View[K], null> : View[K];
};

/** A value after a change made here: one revision on, and no longer what FHIR said. */
export function nextRevision<T extends Omit<PatientOwned, "patientId">>(
  value: T,
  changed: Partial<T>,
  now = new Date(),
): T {
  return { ...value, ...changed, rev: value.rev + 1, updatedAt: now, source: null };
}
