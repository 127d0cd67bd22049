import { normalise } from "@medvault/crypto";
import type { Patient } from "./patient.ts";

export type Called = Pick<Patient, "givenName" | "familyName" | "birthDate" | "sex">;

/** Whether two are of one name, birth date and sex, all of them known. */
export function areNamesakes(a: Called, b: Called): boolean {
  const isKnown = a.birthDate !== null && nameOf(a) !== "";
  return isKnown && nameOf(a) === nameOf(b) && a.birthDate === b.birthDate && a.sex === b.sex;
}

const nameOf = ({ givenName, familyName }: Called): string => normalise(`${givenName} ${familyName}`);
