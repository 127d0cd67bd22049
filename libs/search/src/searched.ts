import type { PatientSet } from "./patient-set.ts";

/** A patient, as the index holds one. */
export interface IndexedPatient {
  readonly id: string;
  readonly updatedAt: Date;
  /** As `nameText` gives it. Null: unknown, because the row is damaged; found by everything. */
  readonly name: string | null;
  readonly birthDate: string | null;
  /** Further fields, as `fieldText` gives them. */
  readonly fields: Readonly<Record<string, string>>;
}

/** A prescription, as the index holds one. */
export interface IndexedRow {
  readonly id: string;
  readonly patientId: string;
  /** As `termText` gives it. Null: unknown, because the row is damaged; found by all words. */
  readonly text: string | null;
  /** `YYYY-MM-DD` */
  readonly startDate: string;
  /** Whether somebody said when it started. What is not dated is in no range of dates. */
  readonly isDated: boolean;
  readonly status: string;
}

/** What is found, and the place in the order of the list: a day, or an instant (ISO 8601). */
export interface Hit {
  readonly id: string;
  readonly at: string;
}

/** Where a page went to: the last hit of it. */
export type Place = Hit;

interface Search {
  /** Who is looked among; null for everyone. */
  readonly among: PatientSet | null;
  readonly after: Place | null;
  readonly limit: number;
}

export interface RowSearch extends Search {
  /** As `searchWords` gives them; without any, nothing is found. */
  readonly words: readonly string[];
  /** The first and the last day, both included. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly status?: string | undefined;
}

export interface PatientSearch extends Search {
  /** Not asked for if missing; without any, nothing is found. */
  readonly words?: readonly string[] | undefined;
  readonly birthDate?: string | undefined;
  /** Parts of fields, as `fieldText` gives them. An empty part is part of nothing. */
  readonly fields?: Readonly<Record<string, string>> | undefined;
  /** No others than these. */
  readonly only?: readonly string[] | undefined;
}
