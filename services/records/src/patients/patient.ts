import {
  Forbidden,
  type PatientPatch,
  type PatientView,
  type Scope,
  type SensitiveField,
  type Sex,
} from "@medvault/contracts";
import { normalise } from "@medvault/crypto";
import type { Original } from "../fhir/map.ts";

export interface Patient {
  id: string;
  rev: number;
  userId: string | null;
  createdBy: string;
  createdAt: Date;
  updatedAt: Date;
  givenName: string;
  familyName: string;
  birthDate: string | null;
  sex: Sex;
  nationalId: string | null;
  phone: string | null;
  email: string | null;
  address: string | null;
  /** What the name index is made of. */
  searchName: string;
  /** The FHIR resource that the patient came from, until the patient is changed here. */
  source: Original | null;
}

export const PATIENT_FIELDS = [
  "givenName",
  "familyName",
  "birthDate",
  "sex",
  "nationalId",
  "phone",
  "email",
  "address",
  "userId",
] as const;

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

export interface PatientFields {
  givenName: string;
  familyName: string;
  birthDate: string | null;
  sex: Sex;
  nationalId?: string | null | undefined;
  phone?: string | null | undefined;
  email?: string | null | undefined;
  address?: string | null | undefined;
}

/** A patient of these fields, at revision 1. */
export function newPatient(
  id: string,
  fields: PatientFields,
  origin: { userId: string | null; source: Original | null; createdBy: string; now: Date },
): Patient {
  const { userId, source, createdBy, now } = origin;
  return {
    id,
    rev: 1,
    userId,
    createdBy,
    createdAt: now,
    updatedAt: now,
    givenName: fields.givenName,
    familyName: fields.familyName,
    birthDate: fields.birthDate,
    sex: fields.sex,
    nationalId: fields.nationalId ?? null,
    phone: fields.phone ?? null,
    email: fields.email ?? null,
    address: fields.address ?? null,
    searchName: searchNameOf(fields),
    source,
  };
}

/** What a patient may change of their own record: how to reach them, not who they are. */
const OWN_FIELDS: ReadonlySet<string> = new Set(["phone", "email", "address"]);

/**
 * Whose account a record belongs to is who may read it. So a link is made once by the care team, never to oneself;
 * to move or undo one is an admin's, freshly signed in (`demandStepUp`). Throws Forbidden.
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

/** The patient with changed fields, one revision on. A change of what FHIR told ends the original's truth. */
export function changePatient(patient: Patient, patch: PatientPatch, now: Date): Patient {
  const changed = { ...patient, ...withoutUndefined(patch), rev: patient.rev + 1, updatedAt: now };
  const linkOnly = Object.keys(patch).every((field) => field === "userId");
  return { ...changed, searchName: searchNameOf(changed), source: linkOnly ? patient.source : null };
}

function withoutUndefined(patch: PatientPatch): Partial<Patient> {
  return Object.fromEntries(
    Object.entries(patch).filter(([, value]) => value !== undefined),
  ) as Partial<Patient>;
}

/** The patient as an answer shows it: `masked` in every sensitive field but those of `unmask`. */
export function viewOf(patient: Patient, masked: Patient, unmask: readonly SensitiveField[]): PatientView {
  const shown = (field: SensitiveField) => (unmask.includes(field) ? patient[field] : masked[field]);
  return {
    id: patient.id,
    userId: patient.userId,
    givenName: patient.givenName,
    familyName: patient.familyName,
    birthDate: patient.birthDate,
    sex: patient.sex,
    nationalId: shown("nationalId"),
    phone: shown("phone"),
    email: shown("email"),
    address: shown("address"),
    createdAt: patient.createdAt.toISOString(),
    updatedAt: patient.updatedAt.toISOString(),
  };
}
