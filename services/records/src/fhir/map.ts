import { ZodError } from "zod";
import { mapGently } from "../batches.ts";
import { type Bundle, type Entry, type Fault, type Resource, refuse } from "./bundle.ts";
import { type MappedClaim, mapClaim } from "./map-claim.ts";
import { type MappedPatient, mapPatient } from "./map-patient.ts";
import { type MappedPrescription, mapPrescription } from "./map-prescription.ts";
import { type MappedRecord, mapRecord } from "./map-record.ts";
import { type References, referencesOf } from "./references.ts";
import { patientNames, sourceNames } from "./sources.ts";

/** A resource as it came, with the full URL that its bundle gave it. */
export interface Original {
  fullUrl: string | null;
  resource: Resource;
}

/** A resource of a bundle and by what it is known. */
export interface Known {
  /** By what it is known, as {@link sourceNames} says. */
  names: string[];
  original: Original;
}

export type PlannedRecord = Known & { mapped: MappedRecord };
export type PlannedPrescription = Known & { mapped: MappedPrescription };
export type PlannedClaim = Known & { mapped: MappedClaim };

export interface ImportPlan {
  total: number;
  /** `patientNames` are those by which the patient is matched; `names` those of the resource itself. */
  patient: (Known & { mapped: MappedPatient; patientNames: string[] }) | null;
  records: PlannedRecord[];
  prescriptions: PlannedPrescription[];
  claims: PlannedClaim[];
  kept: Known[];
}

/**
 * What becomes of each resource of a bundle. Only what names the bundle's own patient as its subject becomes that
 * patient's record, prescription or claim; all else is kept as it came. Throws InvalidInput with every path at
 * which a mapped resource is not what FHIR says.
 */
export async function planImport(bundle: Bundle): Promise<ImportPlan> {
  const references = referencesOf(bundle);
  const names = sourceNames(bundle.entries);
  const faults: Fault[] = [];
  const plan: ImportPlan = {
    total: bundle.entries.length,
    patient: null,
    records: [],
    prescriptions: [],
    claims: [],
    kept: [],
  };
  await mapGently(bundle.entries, (entry) => {
    const known: Known = {
      names: names[entry.index] ?? [],
      original: { fullUrl: entry.fullUrl, resource: entry.resource },
    };
    try {
      place(plan, entry, known, references);
    } catch (error) {
      if (!(error instanceof ZodError)) throw error;
      faults.push(...faultsOf(entry, error));
    }
  });
  refuse(faults);
  return plan;
}

function place(plan: ImportPlan, entry: Entry, known: Known, references: References): void {
  const { resource } = entry;
  if (resource.resourceType === "Patient") {
    const mapped = mapPatient(resource);
    plan.patient = { ...known, mapped, patientNames: patientNames(entry, mapped) };
    return;
  }
  const subject = (resource.subject ?? resource.patient) as { reference?: unknown } | undefined;
  const isOurs = typeof subject?.reference === "string" && references.isBundlePatient(subject.reference);
  const mapped = isOurs ? mapClinical(resource, references) : null;
  if (mapped === null) plan.kept.push(known);
  else if (mapped.kind === "record") plan.records.push({ ...known, mapped: mapped.value });
  else if (mapped.kind === "prescription") plan.prescriptions.push({ ...known, mapped: mapped.value });
  else plan.claims.push({ ...known, mapped: mapped.value });
}

type Mapped =
  | { kind: "record"; value: MappedRecord }
  | { kind: "prescription"; value: MappedPrescription }
  | { kind: "claim"; value: MappedClaim };

function mapClinical(resource: Resource, references: References): Mapped | null {
  if (resource.resourceType === "MedicationRequest") {
    const value = mapPrescription(resource, references);
    return value && { kind: "prescription", value };
  }
  if (resource.resourceType === "Claim") {
    const value = mapClaim(resource, references);
    return value && { kind: "claim", value };
  }
  const value = mapRecord(resource, references);
  return value && { kind: "record", value };
}

function faultsOf(entry: Entry, error: ZodError): Fault[] {
  return error.issues.map((issue) => ({
    path: ["entry", entry.index, "resource", ...issue.path].join("."),
    message: issue.message,
  }));
}
