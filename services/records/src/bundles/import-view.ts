import type { FhirImportView } from "@medvault/contracts";
import { patients } from "../patients/patient.table.ts";
import type { Act } from "../resources/resource.events.ts";
import { isFault, type Outcome, type Result } from "./answer.ts";
import type { Bundle } from "./bundle.ts";
import { clinicalResources } from "./clinical-resources.ts";
import type { Done, Target } from "./preparation.service.ts";
import type { Head } from "./present.store.ts";

/** Of how many entries it is said in words what is wrong; of the others, that something is. */
const MAX_FAULTS_TOLD = 1_000;

/** What an import answers beside what became of each entry. */
export type ImportCounts = Omit<FhirImportView, "resourceType" | "type" | "entry">;

/** What became of each entry of a bundle, in their order. */
export function outcomesOf(
  bundle: Bundle,
  done: readonly Done[],
  heads: ReadonlyMap<string, Head>,
  deleted: ReadonlyMap<number, Outcome>,
): Outcome[] {
  const outcomes: Outcome[] = Array.from({ length: bundle.total }, () => ["deleted"]);
  for (const [index, { path, message, code = "invalid" }] of bundle.faults)
    outcomes[index] = [code === "invalid" ? "invalid" : "unsupported", null, [path, message]];
  for (const [index, outcome] of deleted) outcomes[index] = outcome;
  for (const { item, result, rowId } of done) {
    const head = rowId === null ? undefined : heads.get(rowId);
    const { index, original } = item.known;
    const row =
      head &&
      ([original.resource.resourceType, rowId as string, head.version, head.at.toISOString()] as const);
    const { fault, nobody } = item.known;
    const told = result === "kept" && nobody ? nobody : result;
    outcomes[index] = fault ? [told, row ?? null, [fault.path, fault.message]] : row ? [told, row] : [told];
  }
  let told = 0;
  return outcomes.map((outcome): Outcome => {
    const [result, row = null, fault] = outcome;
    return fault && ++told > MAX_FAULTS_TOLD ? [result, row] : outcome;
  });
}

export function viewOf(
  total: number,
  targets: readonly Target[],
  done: readonly Done[],
  outcomes: readonly Outcome[],
): ImportCounts {
  const count = (...results: Result[]) => outcomes.filter(([result]) => results.includes(result)).length;
  const stored = (noun: string) =>
    done.filter(({ item, result }) => result === "created" && item.table?.noun === noun).length;
  const kept: Record<string, number> = {};
  for (const { item, result } of done) {
    const { resourceType } = item.known.original.resource;
    if (result === "kept") kept[resourceType] = (kept[resourceType] ?? 0) + 1;
  }
  const found = targets.flatMap(({ patient, shownId }, at) =>
    patient === "none" || targets.findIndex((one) => one.shownId === shownId) < at
      ? []
      : [{ patientId: shownId, patient }],
  );
  return {
    ...(found[0] ?? { patientId: null, patient: "none" }),
    patients: found,
    possibleDuplicates: [...new Set(targets.flatMap(({ duplicates }) => duplicates))],
    ...(targets.some(({ isUnchecked }) => isUnchecked) && { duplicatesChecked: false as const }),
    total,
    stored: Object.fromEntries([
      ["patients", stored(patients.noun)],
      ...clinicalResources.map(({ plural, noun }) => [plural, stored(noun)]),
    ]) as FhirImportView["stored"],
    kept,
    unattached: count("unattached"),
    existing: count("existing"),
    updated: count("updated"),
    unapplied: count("older", "masked", "decided", "second"),
    deleted: count("deleted"),
    failed: outcomes.filter(isFault).length,
  };
}

export function importAct({ patientId, patients: found }: ImportCounts): Act {
  return {
    noun: "fhir",
    verb: "imported",
    permission: "fhir:import",
    subject: patientId === null ? "fhir" : `patient/${patientId}`,
    patientIds: found.map((one) => one.patientId),
  };
}

/**
 * One event for all of it: counts, and the hash of the list of every box with its revision
 * (`row_manifests`), so that a row rolled back is found.
 */
export function detailsOf(counts: ImportCounts, boxes: number, boxesSha256: string) {
  const { patient, total, stored, existing, updated, unapplied, deleted, failed } = counts;
  return {
    patient,
    created: counts.patients.filter((one) => one.patient === "created").length,
    possibleDuplicates: counts.possibleDuplicates.length,
    matched: counts.patients.filter((one) => one.patient === "matched").length,
    total,
    ...stored,
    kept: Object.values(counts.kept).reduce((sum, n) => sum + n, 0),
    existing,
    updated,
    unapplied,
    deleted,
    failed,
    boxes,
    boxesSha256,
  };
}
