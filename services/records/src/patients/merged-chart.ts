import { InvalidInput } from "@medvault/contracts";
import { CHART } from "../resources/chart.ts";
import { type Found, isDamaged } from "../resources/damaged-row.ts";
import { AccountsConflict, AlreadyMerged, MergedElsewhere, NotMerged } from "./patient.errors.ts";
import type { Patient } from "./patient.ts";

/** A patient who may match a search, and all patients of their chart. */
export interface Candidate {
  patient: Found<Patient>;
  /** In the order of the list. */
  chart: readonly Found<Patient>[];
}

/** Each of these with their merged chart, of all patients of such charts. */
export function candidatesOf(found: readonly Found<Patient>[]): Candidate[] {
  const charts = Map.groupBy(found, (one) => one[CHART]?.id);
  return found.map((patient) => ({
    patient,
    chart: (patient[CHART] && charts.get(patient[CHART].id)) ?? [patient],
  }));
}

/**
 * Whether this is the first patient of the chart who matches: a chart is found by each of its
 * patients' names, and shown once. What is damaged may match, as far as the index says.
 */
export function isFirstMatch({ patient, chart }: Candidate, matches: (patient: Patient) => boolean): boolean {
  const first = chart.find((one) => (isDamaged(one) ? one.id === patient.id : matches(one)));
  return first?.id === patient.id;
}

/** The patient who stands for the chart. */
export const survivorIn = ({ patient, chart }: Candidate): Found<Patient> =>
  chart.find((one) => one.id === one[CHART]?.id) ?? patient;

const accountOf = (patient: Patient): string | null => patient.userId ?? patient[CHART]?.userId ?? null;

/**
 * That one chart may be merged into another: each as it was found by its id, which leads to the
 * surviving one of a merge. Merges are flat, and a chart is of one account at most. Throws
 * AlreadyMerged, MergedElsewhere, AccountsConflict.
 */
export function assertMayMerge(into: Patient, other: Patient, from: string): void {
  if (into.id === other.id) throw new AlreadyMerged();
  if (other.id !== from || other[CHART]) throw new MergedElsewhere();
  if (accountOf(into) !== null && accountOf(other) !== null) throw new AccountsConflict();
}

/**
 * Which patient is taken out of a merged chart, and from whom: the one that is named, else the one
 * by whose id it was found, else the only one. Throws NotMerged; InvalidInput where it may be each
 * of several.
 */
export function partingOf(
  found: Patient,
  id: string,
  from: string | undefined,
): { from: string; into: string } {
  const { id: into = found.id, mergedFrom = [] } = found[CHART] ?? {};
  const [only, ...others] = mergedFrom;
  if (from === undefined && id === into && others.length > 0) {
    const message = "must name who is to be parted: several are merged into this chart (`mergedFrom`)";
    throw new InvalidInput(undefined, [{ path: "from", message }]);
  }
  const parting = from ?? (id === into ? only : id);
  if (parting === undefined || !mergedFrom.includes(parting)) throw new NotMerged();
  return { from: parting, into };
}
