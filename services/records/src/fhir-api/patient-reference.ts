import type { Entry as BundleEntry } from "../bundles/bundle.ts";
import { referencesOf } from "../bundles/reference.ts";
import type { FhirResource } from "../fhir/resource.ts";
import type { Entry } from "./chart-entry.ts";

/** The Patients of a chart as it is exported, and how else its rows call them. */
export interface ChartPatients {
  /** By the ids of our rows. */
  own: ReadonlyMap<string, Entry>;
  /** Other Patients of the same people, kept as they came. */
  twins: readonly Entry[];
  /** `<our id> <urn:uuid>`: by which clinical rows refer to their patient. */
  uses: ReadonlySet<string>;
}

export interface PatientReferences {
  /** A clinical row's entry: it is about this patient, for sure. */
  ofClinical(entry: Entry, patientId: string): Entry;
  /** An entry that was kept as it came: only what a clinical row calls the patient, too. */
  ofKept(entry: Entry, patientId: string): Entry;
}

type Fields = Record<string, unknown>;
const ABOUT = ["subject", "patient", "beneficiary"] as const;
const UUID_URL = /^urn:uuid:/i;

/**
 * Entries as they came, whose references to the patient lead to a Patient of the export, as an
 * import of it would find them. One that leads to none, since the patient came again under another
 * full URL, becomes the full URL of the exported Patient; what leads there stays to the letter.
 */
export function patientReferencesOf({ own, twins, uses }: ChartPatients): PatientReferences {
  const patients = [...own.values(), ...twins].map((entry, index) => asSent(entry, index));
  const known = new Map([...own.keys()].map((id, at) => [id, patients[at] as BundleEntry]));
  const references = referencesOf({
    ...{ type: "searchset", isTransaction: false, total: 0, deletions: [], faults: new Map() },
    ...{ entries: patients, patients },
  });

  const leadsTo = (patient: BundleEntry, about: Fields, entry: Entry): boolean =>
    about.reference === patient.fullUrl ||
    references.patientOf(about, asSent(entry, patients.length)) === references.personOf(patient);
  const ofClinical = (entry: Entry, patientId: string): Entry => {
    const patient = known.get(patientId);
    if (!patient) return entry;
    const mended = (about: unknown): unknown =>
      !isObject(about) || leadsTo(patient, about, entry) ? about : { ...about, reference: patient.fullUrl };
    const { focus } = entry.resource;
    const name = entry.resource.subject === undefined ? "patient" : "subject";
    return changed(entry, {
      [name]: mended(entry.resource[name]),
      focus: Array.isArray(focus) ? focus.map(mended) : mended(focus),
    });
  };
  const ofKept = (entry: Entry, patientId: string): Entry => {
    const patient = known.get(patientId);
    const names = ABOUT.filter((name) => {
      const use = useOf(entry.resource[name], patientId);
      return use !== null && uses.has(use);
    });
    if (!patient || names.length === 0) return entry;
    const mended = names.flatMap((name) => {
      const about = entry.resource[name] as Fields;
      return leadsTo(patient, about, entry) ? [] : [[name, { ...about, reference: patient.fullUrl }]];
    });
    return changed(entry, Object.fromEntries(mended));
  };
  return { ofClinical, ofKept };
}

/** How a clinical row refers to its patient, where its bundle alone says who that is. */
export function usesIn({ subject, patient }: FhirResource, patientId: string): string[] {
  const use = useOf(subject ?? patient, patientId);
  return use === null ? [] : [use];
}

function useOf(about: unknown, patientId: string): string | null {
  const { reference } = isObject(about) ? about : {};
  return typeof reference === "string" && UUID_URL.test(reference)
    ? `${patientId} ${reference.toLowerCase()}`
    : null;
}

/** The entry with these elements; itself, where they are those that it has. */
function changed(entry: Entry, elements: Fields): Entry {
  const { resource } = entry;
  const names = Object.keys(elements).filter((name) => !isSame(elements[name], resource[name]));
  if (names.length === 0) return entry;
  const set = Object.fromEntries(names.map((name) => [name, elements[name]]));
  return { ...entry, resource: { ...resource, ...set } };
}

const isSame = (a: unknown, b: unknown): boolean =>
  a === b ||
  (Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((one, at) => one === b[at]));

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const asSent = ({ fullUrl, resource }: Entry, index: number): BundleEntry => ({
  ...{ index, fullUrl, resource, interaction: null },
});
