import { unicodeAddress } from "@medvault/contracts";
import { searchedFields } from "@medvault/keys";
import { fieldText, holdsWords, type IndexedPatient, nameText } from "@medvault/search";
import { type Found, isDamaged } from "../resources/damaged-row.ts";
import { patients } from "./patient.table.ts";
import { everyNameOf, type Patient } from "./patient.ts";

/** What a search asks for of a patient, folded as the index holds it. */
export interface AskedPatient {
  words?: readonly string[] | undefined;
  birthDate?: string | undefined;
  /** Parts of other fields. */
  fields?: Readonly<Record<string, string>>;
}

/** A patient, as the index holds one: of the fields that the operator's policy lets it hold. */
export function indexedPatient(patient: Found<Patient>): IndexedPatient {
  const { id } = patient;
  const { updatedAt } = patient as Patient; // a damaged row has its typed columns
  if (isDamaged(patient)) return { id, updatedAt, name: null, birthDate: null, fields: {} };
  const searched = searchedOf();
  const { searchName: _, birthDate, ...others } = patient;
  const fields = Object.entries(others).flatMap(([field, value]) =>
    searched.has(field) && typeof value === "string" ? [[field, fieldOf(field, value)] as const] : [],
  );
  return {
    id,
    updatedAt,
    name: indexedName(patient),
    birthDate: searched.has("birthDate") ? birthDate : null,
    fields: Object.fromEntries(fields),
  };
}

/**
 * What of a patient's names the index holds; null where they are not known. Made again each time:
 * what is in the box may have been folded in another way.
 */
export function indexedName(patient: Found<Patient>): string | null {
  if (isDamaged(patient)) return null;
  return searchedOf().has("searchName") ? nameText(everyNameOf(patient)) : "";
}

const searchedOf = (): ReadonlySet<string> => new Set(searchedFields(patients.table.declaration));

/** A further field, or a part of one, as it is compared: an address as people read it. */
export const fieldOf = (field: string, text: string): string =>
  fieldText(field === "email" ? unicodeAddress(text) : text);

/** Whether an opened patient is what was asked for: a row may have changed since it was indexed. */
export function isAskedFor(patient: Patient, { words, birthDate, fields = {} }: AskedPatient): boolean {
  return (
    (birthDate === undefined || patient.birthDate === birthDate) &&
    (words === undefined || holdsWords([indexedName(patient) ?? ""], words)) &&
    Object.entries(fields).every(([field, part]) => {
      const value = patient[field as keyof Patient];
      return typeof value === "string" && fieldOf(field, value).includes(part);
    })
  );
}
