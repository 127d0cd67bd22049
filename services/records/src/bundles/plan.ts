import { ZodError } from "zod";
import { isFact } from "../fhir/fact.ts";
import type { MappedPatient } from "../fhir/map-patient.ts";
import type { Read } from "../fhir/pair.ts";
import type { Original } from "../fhir/resource.ts";
import { patients } from "../patients/patient.table.ts";
import type { Patient } from "../patients/patient.ts";
import type { Row } from "../resources/patient-owned.ts";
import type { Resource } from "../resources/resource.ts";
import { mapYielding } from "./batch.ts";
import { type Bundle, type Entry, type Fault, refuse } from "./bundle.ts";
import { clinicalResources } from "./clinical-resources.ts";
import { type BundleReferences, referencesOf } from "./reference.ts";
import { patientNames, sourceNames } from "./source.ts";

/** A resource of a bundle and by what it is known. */
export interface Known {
  /** By what it is known, as {@link sourceNames} says. */
  names: string[];
  original: Original;
}

export type Planned = Known & Read<Row>;

export interface ImportPlan {
  total: number;
  /**
   * `patientNames` are those by which the patient is matched; `names` those of the resource itself.
   */
  patient: (Known & Read<Patient, MappedPatient> & { patientNames: string[] }) | null;
  /** By resource, in their order. */
  clinical: ReadonlyMap<Resource<Row>, Planned[]>;
  kept: Known[];
}

/**
 * What becomes of each resource of a bundle. Only what names the bundle's own patient as its
 * subject becomes that patient's record, prescription or claim; all else is kept as it came. A
 * mapped resource that is not what FHIR says is a fault of a transaction; others keep it as well.
 * Throws InvalidInput with the path of every fault.
 */
export async function planImport(bundle: Bundle): Promise<ImportPlan> {
  const references = referencesOf(bundle);
  const names = sourceNames(bundle.entries);
  const faults: Fault[] = [];
  const plan: ImportPlan = {
    total: bundle.entries.length,
    patient: null,
    clinical: new Map(clinicalResources.map((resource) => [resource, []])),
    kept: [],
  };
  await mapYielding(bundle.entries, (entry) => {
    const known: Known = {
      names: names[entry.index] ?? [],
      original: { fullUrl: entry.fullUrl, resource: entry.resource },
    };
    try {
      place(plan, entry, known, references);
    } catch (error) {
      if (!(error instanceof ZodError)) throw error;
      if (!bundle.isTransaction && entry !== bundle.patient) return void plan.kept.push(known);
      faults.push(...faultsOf(entry, error));
    }
  });
  refuse(faults);
  return plan;
}

function place(plan: ImportPlan, entry: Entry, known: Known, references: BundleReferences): void {
  const { resource } = entry;
  if (resource.resourceType === "Patient") {
    const read = patients.fhir.read(resource, references) as Read<Patient, MappedPatient>;
    plan.patient = { ...known, ...read, patientNames: patientNames(entry, read.mapped) };
    return;
  }
  if (isFact(resource) && isAboutPatient(entry, references)) {
    for (const [kind, planned] of plan.clinical) {
      const read = kind.fhir.read(resource, references);
      if (read) return void planned.push({ ...known, ...read });
    }
  }
  plan.kept.push(known);
}

/** The subject is the bundle's own patient, and so is all that is focused on: a foetus is not. */
function isAboutPatient(entry: Entry, references: BundleReferences): boolean {
  const { focus = [], subject, patient } = entry.resource;
  const all: unknown[] = [subject ?? patient, ...(Array.isArray(focus) ? focus : [focus])];
  return all.every((about) => references.isBundlePatient(about, entry));
}

function faultsOf(entry: Entry, error: ZodError): Fault[] {
  return error.issues.map((issue) => ({
    path: ["entry", entry.index, "resource", ...issue.path].join("."),
    message: issue.message,
  }));
}
