import { Forbidden, type PatientPatch, type PatientView, type Scope } from "@medvault/contracts";
import { normalise } from "@medvault/crypto";
import type { Original } from "../fhir/resource.ts";
import { nextRevision, type Stored } from "../resources/patient-owned.ts";

export interface Patient extends Stored<PatientView, "createdAt" | "updatedAt"> {
  /** What the name index is made of. */
  searchName: string;
  /** The FHIR resource that the patient came from, until the patient is changed here. */
  source: Original | null;
}

/** Who a patient is, and how to reach them. */
export type PatientContent = Omit<
  Patient,
  keyof PatientOrigin | "id" | "rev" | "updatedAt" | "updatedBy" | "searchName"
>;
type PatientOrigin = Pick<Patient, "userId" | "source" | "createdBy" | "createdAt">;

// The index takes 4,096 characters; the name stands in it one and a half times.
const MAX_INDEXED_CHARS = 1_300;

/** Both orders of the name in one text, so that part of either is found: `ada marsh ada`. */
function searchNameOf(name: { givenName: string; familyName: string }): string {
  const given = clip(name.givenName);
  return `${given} ${clip(name.familyName)} ${given}`.trim();
}

function clip(text: string): string {
  return [...normalise(text.slice(0, MAX_INDEXED_CHARS))].slice(0, MAX_INDEXED_CHARS).join("");
}

/** A patient of these fields, at revision 1. */
export function newPatient(id: string, content: PatientContent, origin: PatientOrigin): Patient {
  const searchName = searchNameOf(content);
  const updated = { updatedAt: origin.createdAt, updatedBy: origin.createdBy };
  return { ...content, ...origin, ...updated, id, rev: 1, searchName };
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
 * The patient with changed fields, one revision on. A change of what FHIR said ends the original's
 * truth.
 */
export function changePatient(patient: Patient, patch: PatientPatch, now: Date): Patient {
  const changed = nextRevision(patient, withoutUndefined(patch), now);
  const linkOnly = Object.keys(patch).every((field) => field === "userId");
  return { ...changed, searchName: searchNameOf(changed), source: linkOnly ? patient.source : null };
}

function withoutUndefined(patch: PatientPatch): Partial<Patient> {
  return Object.fromEntries(
    Object.entries(patch).filter(([, value]) => value !== undefined),
  ) as Partial<Patient>;
}
