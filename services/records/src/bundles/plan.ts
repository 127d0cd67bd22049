import { createHash } from "node:crypto";
import { ZodError } from "zod";
import { isFact } from "../fhir/fact.ts";
import type { MappedPatient } from "../fhir/map-patient.ts";
import type { Read } from "../fhir/pair.ts";
import type { FhirResource, Original } from "../fhir/resource.ts";
import { type Finding, findingsOf, withoutUnreadable } from "../fhir/valid.ts";
import { patients } from "../patients/patient.table.ts";
import type { Patient } from "../patients/patient.ts";
import type { Row } from "../resources/patient-owned.ts";
import type { Resource } from "../resources/resource.ts";
import { mapYielding } from "./batch.ts";
import { type Bundle, type Entry, type Fault, refuse } from "./bundle.ts";
import { clinicalResources } from "./clinical-resources.ts";
import { type Identity, identityOf } from "./identity.ts";
import type { Interaction } from "./interaction.ts";
import { type PatientName, patientNames } from "./patient-name.ts";
import { type BundleReferences, referencesOf } from "./reference.ts";
import { type Names, namesOf } from "./source.ts";
import { aboutOf, subjectsOf } from "./subject.ts";

/** A resource of a bundle and by what it is known. */
export interface Known {
  /** The index of its entry. */
  index: number;
  interaction: Interaction | null;
  /** Why a resource, or a part of it, could not be read; it is kept as it came. */
  fault?: Fault;
  names: Names;
  original: Original;
  /** Under whom it goes: a place in the plan's subjects. */
  subject: number;
  /** In nobody's chart, because what it is about is not found, or because it is about nobody. */
  nobody?: "unattached" | "alone";
}

/** `shows`: the resources of the bundle of which its row shows something. */
export type Planned = Known & Read<Row> & { shows: FhirResource[] };
/** `patientNames`: by which the patient is matched; `names`: those of the resource itself. */
export type PlannedPatient = Known &
  Read<Patient, MappedPatient> & { patientNames: PatientName[]; identity: Identity };

export interface ImportPlan {
  total: number;
  /** The patients of the bundle and, where something goes there, who loads it: null. */
  subjects: (PlannedPatient | null)[];
  /** Charts that are there and that entries are about: the subjects after those. */
  charts: readonly string[];
  /** By resource, in their order. */
  clinical: ReadonlyMap<Resource<Row>, Planned[]>;
  kept: Known[];
}

/**
 * What becomes of each resource of a bundle. Only what names a patient of the bundle as its subject
 * becomes that patient's record, prescription or claim; all else is kept as it came, under whom
 * `subjectsOf` says. What cannot be read as what R4 says it is, is a fault of a transaction; others
 * keep it as well, and read a Patient without it. Throws InvalidInput with the path of every fault.
 */
export async function planImport(
  bundle: Bundle,
  references: BundleReferences = referencesOf(bundle),
  charts: ReadonlyMap<Entry, string> = new Map(),
): Promise<ImportPlan> {
  const places = subjectsOf(bundle, references);
  const names = await namesWithin(
    bundle.entries,
    (entry) => charts.get(entry) ?? places.get(entry),
    references,
  );
  const faults: Fault[] = [];
  const plan: ImportPlan = {
    total: bundle.total,
    subjects: [],
    charts: [...new Set(charts.values())],
    clinical: new Map(clinicalResources.map((resource) => [resource, []])),
    kept: [],
  };
  const { people } = references;
  const loader = people.length;
  const hash = bundleHash(bundle);
  const chartOf = new Map([...charts].map(([{ index }, id]) => [index, id]));
  await mapYielding(bundle.entries, (entry) => {
    const place = places.get(entry) ?? -1;
    const known: Known = {
      index: entry.index,
      interaction: entry.interaction,
      names: names.get(entry) as Names,
      original: { fullUrl: entry.fullUrl, resource: entry.resource },
      subject: place < 0 ? loader : place,
    };
    const chart = charts.get(entry);
    if (place < 0 && chart === undefined) {
      plan.subjects[loader] = null;
      known.nobody = isAboutUnknown(entry, references) ? "unattached" : "alone";
    }
    const unreadable = findingsOf(entry.resource).filter((finding) => finding.isUnreadable);
    const found = unreadable.map(({ path, message }) => faultAt(entry, path, message));
    if (bundle.isTransaction && found.length > 0) return void faults.push(...found);
    if (found[0]) known.fault = found[0];
    const patient = people[place];
    try {
      if (entry === patient) {
        plan.subjects[place] = patientOf(bundle, entry, known, references, hash, unreadable);
      } else {
        const isOurs =
          chart !== undefined ? isAboutAlone(entry) : patient && isAbout(patient, entry, references);
        placeEntry(plan, entry, known, references, isOurs === true);
      }
    } catch (error) {
      if (!(error instanceof ZodError)) throw error;
      const wrong = error.issues.map(({ path, message }) => faultAt(entry, path, message));
      if (bundle.isTransaction || entry === patient) return void faults.push(...wrong);
      plan.kept.push({ fault: wrong[0] as Fault, ...known });
    }
  });
  refuse(faults);
  for (const planned of [...[...plan.clinical.values()].flat(), ...plan.kept]) {
    const chart = chartOf.get(planned.index);
    if (chart !== undefined) planned.subject = plan.subjects.length + plan.charts.indexOf(chart);
  }
  return plan;
}

/** A person of the bundle, known by all that its Patients of that person say. */
function patientOf(
  { patients: all }: Bundle,
  entry: Entry,
  known: Known,
  references: BundleReferences,
  hash: () => string,
  unreadable: readonly Finding[],
): PlannedPatient {
  const readable = withoutUnreadable(entry.resource, unreadable);
  const read = patients.fhir.read(readable, references) as Read<Patient, MappedPatient>;
  const theirs = all.filter((one) => references.personOf(one) === entry);
  const names = patientNames(theirs, read.mapped, hash);
  return { ...known, ...read, patientNames: names, identity: identityOf(readable, {}) };
}

/** What stands for the whole bundle, made when it is first asked for. */
function bundleHash({ entries }: Bundle): () => string {
  let hash: string | undefined;
  return () => {
    hash ??= createHash("sha256")
      .update(JSON.stringify(entries.map(({ resource }) => resource)))
      .digest("hex");
    return hash;
  };
}

function placeEntry(
  plan: ImportPlan,
  entry: Entry,
  known: Known,
  references: BundleReferences,
  isOurs: boolean,
): void {
  const { resource } = entry;
  if (isOurs && isFact(resource)) {
    for (const [kind, planned] of plan.clinical) {
      const read = kind.fhir.read(resource, references);
      if (read) return void planned.push({ ...known, ...read, shows: shownBy(resource, references) });
    }
  }
  plan.kept.push(known);
}

/** What a row shows of others: a report of its results, a prescription of its medication. */
function shownBy(resource: FhirResource, references: BundleReferences): FhirResource[] {
  const { result, medicationReference, diagnosis } = resource;
  const named = [result, medicationReference, diagnosis].flat().flatMap((one) => {
    const { diagnosisReference, reference } = (one ?? {}) as Record<string, { reference?: unknown }>;
    return [diagnosisReference?.reference, reference as unknown];
  });
  return named.flatMap((one) => (typeof one === "string" ? (references.resolve(one, resource) ?? []) : []));
}

/** The subject is this patient, and so is all that is focused on: a foetus is not. */
function isAbout(person: Entry, entry: Entry, references: BundleReferences): boolean {
  const { focus = [], subject, patient } = entry.resource;
  const all: unknown[] = [subject ?? patient, ...(Array.isArray(focus) ? focus : [focus])];
  return all.every((about) => references.patientOf(about, entry) === person);
}

/** It says whom it is about, and none of them is a patient of the bundle. */
function isAboutUnknown(entry: Entry, references: BundleReferences): boolean {
  const about = [aboutOf(entry) ?? []].flat();
  return about.length > 0 && !about.some((one) => references.patientOf(one, entry));
}

/** Nothing else is focused on than whom it is about. */
function isAboutAlone(entry: Entry): boolean {
  const { focus = [] } = entry.resource;
  const about = JSON.stringify(aboutOf(entry));
  return (Array.isArray(focus) ? focus : [focus]).every((one) => JSON.stringify(one) === about);
}

/** The names of each entry among those that go where it goes. */
async function namesWithin(
  entries: readonly Entry[],
  placeOf: (entry: Entry) => unknown,
  references: BundleReferences,
): Promise<Map<Entry, Names>> {
  const names = new Map<Entry, Names>();
  for (const those of Map.groupBy(entries, placeOf).values()) {
    for (const [at, of] of (await namesOf(those, references)).entries()) names.set(those[at] as Entry, of);
  }
  return names;
}

const faultAt = ({ index }: Entry, path: readonly PropertyKey[], message: string): Fault => ({
  path: ["entry", index, "resource", ...path].join("."),
  message,
});
