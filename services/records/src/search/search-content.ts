import { searchedFields } from "@medvault/keys";
import { fieldText, type IndexedPatient, type IndexedRow, nameText, termText } from "@medvault/search";
import { everyName } from "../fhir/person.ts";
import { patients } from "../patients/patient.table.ts";
import type { Patient } from "../patients/patient.ts";
import { prescriptions } from "../prescriptions/prescription.table.ts";
import { isDated, type Prescription } from "../prescriptions/prescription.ts";
import { type Found, isDamaged } from "../resources/damaged-row.ts";

/** A patient, as the index holds one: of the fields that the operator's policy lets it hold. */
export function indexedPatient(patient: Found<Patient>): IndexedPatient {
  const { id } = patient;
  const { updatedAt } = patient as Patient; // a damaged row has its typed columns
  if (isDamaged(patient)) return { id, updatedAt, name: null, birthDate: null, fields: {} };
  const searched = searchedFields(patients.table.declaration);
  const { searchName: _, birthDate = null, ...others } = only(patient, searched);
  const fields = Object.entries(others).flatMap(([field, value]) =>
    typeof value === "string" ? [[field, fieldText(value)] as const] : [],
  );
  const name = searched.includes("searchName") ? nameText(namesOf(patient)) : "";
  return { id, updatedAt, name, birthDate, fields: Object.fromEntries(fields) };
}

/** A prescription, as the index holds one. */
export function indexedRow(prescription: Found<Prescription>): IndexedRow {
  const { id, patientId } = prescription;
  const { startDate, status } = prescription as Prescription;
  const placed = { id, patientId, startDate, status };
  if (isDamaged(prescription)) return { ...placed, text: null, isDated: true };
  const searched = searchedFields(prescriptions.table.declaration);
  const texts = Object.values(only(prescription, searched)).filter((text) => typeof text === "string");
  return { ...placed, text: termText(texts), isDated: isDated(prescription) };
}

/** The name that is shown, and every other one that the original has: former ones too. */
const namesOf = ({ givenName, familyName, source }: Patient): string[] => [
  givenName,
  familyName,
  ...everyName(source?.resource.name),
];

function only<T extends object>(value: T, fields: readonly string[]): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([field]) => fields.includes(field))) as Partial<T>;
}
