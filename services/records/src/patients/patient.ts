import {
  Forbidden,
  InvalidInput,
  type PatientPatch,
  type PatientView,
  type Scope,
} from "@medvault/contracts";
import { nameText } from "@medvault/search";
import { laidInto } from "../fhir/lay.ts";
import { layPatient } from "../fhir/lay-patient.ts";
import { mapPatient } from "../fhir/map-patient.ts";
import { mergedPatient } from "../fhir/merge-patient.ts";
import { everyName } from "../fhir/person.ts";
import type { Original } from "../fhir/resource.ts";
import { nextRevision, type Stored } from "../resources/patient-owned.ts";

export interface Patient extends Stored<PatientView, "createdAt" | "updatedAt"> {
  /** What of every name a search looks at. */
  searchName: string;
  /** The FHIR resource that the patient came from, with what was changed here. */
  source: Original | null;
}

/** Who a patient is, and how to reach them. */
export type PatientContent = Omit<
  Patient,
  keyof PatientOrigin | "id" | "rev" | "updatedAt" | "updatedBy" | "searchName"
>;
type PatientOrigin = Pick<Patient, "userId" | "source" | "createdBy" | "createdAt">;

type Named = Pick<Patient, "givenName" | "familyName" | "source">;

/** The name that is shown, and every other one that the original has: former ones too. */
export const everyNameOf = ({ givenName, familyName, source }: Named): string[] => [
  givenName,
  familyName,
  ...everyName(source?.resource.name),
];

const indexed = (patient: Named): string => nameText(everyNameOf(patient));

/** A patient of these fields, at revision 1. */
export function newPatient(id: string, content: PatientContent, origin: PatientOrigin): Patient {
  const searchName = indexed({ ...content, source: origin.source });
  const updated = { updatedAt: origin.createdAt, updatedBy: origin.createdBy };
  return { ...content, ...origin, ...updated, id, rev: 1, searchName };
}

/**
 * The patient as an import says. The same resource of the same server, or one with our own id, says
 * all of it; another one says only what it says, and what the chart knows besides stays. Whose
 * account it is is no matter of an import.
 */
export function renewed(made: Patient, former: Patient): Patient {
  const { userId, createdBy, createdAt } = former;
  const content = isSameResource(made, former)
    ? made
    : former.source
      ? merged(made, former)
      : laid(made, former);
  const next = { ...content, userId, createdBy, createdAt, rev: former.rev + 1 };
  return { ...next, searchName: indexed(next) };
}

function isSameResource({ source }: Patient, former: Patient): boolean {
  const isOurs = source?.resource.id === former.id;
  const url = source?.fullUrl ?? "";
  return isOurs || (/^https?:/.test(url) && url === former.source?.fullUrl);
}

/** One that another place described, with what this one says. */
function merged(made: Patient, former: Patient): Patient {
  if (!made.source || !former.source) return made;
  const resource = mergedPatient(former.source.resource, made.source.resource);
  const { knownAs: _, ...content } = mapPatient(resource);
  return { ...made, ...content, source: { ...made.source, resource } };
}

/** One who was written here, with what an original says, which tells the rest from then on. */
function laid(made: Patient, former: Patient): Patient {
  const said = Object.entries(made).filter(
    ([, value]) => value !== null && value !== "" && value !== "unknown",
  );
  const next: Patient = { ...former, ...Object.fromEntries(said) };
  return { ...next, source: made.source && laidInto(made.source, (one) => layPatient(one, made, next)) };
}

/** What a patient may change of their own record: how to reach them, not who they are. */
const OWN_FIELDS: ReadonlySet<string> = new Set(["phone", "email", "address"]);

/**
 * Whose account a record belongs to is who may read it. So a link is made once by the care team,
 * never to oneself; to move or undo one is an admin's, freshly signed in (`assertStepUp`). Throws
 * Forbidden.
 */
export function assertMayPatch(
  patient: Patient,
  patch: PatientPatch,
  by: { id: string; scope: Scope | null },
): { needsStepUp: boolean } {
  if (by.scope === "own") {
    const isUnlinked = patch.userId === undefined || patch.userId === by.id;
    if (!isUnlinked || !Object.keys(patch).every((field) => field === "userId" || OWN_FIELDS.has(field)))
      throw new Forbidden();
    return { needsStepUp: false };
  }
  if (patch.userId === undefined || patch.userId === patient.userId) return { needsStepUp: false };
  if (patch.userId === by.id) throw new Forbidden();
  if (patient.userId !== null && by.scope !== "any") throw new Forbidden();
  return { needsStepUp: patient.userId !== null };
}

/**
 * The patient with changed fields, one revision on, with the change laid into the original, whose
 * names are found as well. Throws InvalidInput when no name is left.
 */
export function changePatient(patient: Patient, patch: PatientPatch, now: Date): Patient {
  const changed = nextRevision(patient, changesOf(patch), now);
  if (changed.givenName === "" && changed.familyName === "") {
    throw new InvalidInput(undefined, [{ path: "familyName", message: "must be given, or else givenName" }]);
  }
  const { source } = patient;
  const laid = source && laidInto(source, (original) => layPatient(original, patient, changed));
  return { ...changed, source: laid, searchName: indexed({ ...changed, source: laid }) };
}

/** What is to change; of a name, null says that there is no such part. */
function changesOf({ givenName, familyName, ...patch }: PatientPatch): Partial<Patient> {
  const parts = { givenName, familyName };
  const changes = [
    ...Object.entries(parts).map(([field, part]) => [field, part === null ? "" : part]),
    ...Object.entries(patch),
  ];
  return Object.fromEntries(changes.filter(([, value]) => value !== undefined)) as Partial<Patient>;
}
