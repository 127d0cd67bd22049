import { type PatientView, type PrescriptionView, wallTimeAt } from "@medvault/contracts";
import type { Prescribed } from "@medvault/documents";
import type { Printed } from "./document-signature.ts";

type Line = readonly [label: string, value: string | null];
type Person = Pick<PatientView, "givenName" | "familyName">;

const CJK = /^[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}ー・]+$/u;

/** How a person is called in full: where scripts put the family name first, so do we. */
export function fullName({ givenName, familyName }: Person): string {
  if (CJK.test(givenName) && CJK.test(familyName)) return `${familyName}${givenName}`;
  return [givenName, familyName].filter(Boolean).join(" ");
}

/** A moment as a clock in the clinic shows it: `2026-11-28 07:30, Europe/Berlin`. */
export function momentAt(moment: Date, zone: string): string {
  const wall = new Date(wallTimeAt(moment.getTime(), zone)).toISOString();
  return `${wall.slice(0, 10)} ${wall.slice(11, 16)}, ${zone}`;
}

/** A code with what it means and whose it is. */
export const codeText = (code: PrescriptionView["code"]): string | null =>
  code && [code.display, code.code, code.system].filter(Boolean).join(" · ");

/** What is printed of a prescription: labels and values, sensitive fields as the view has them. */
export function printedLines(
  patient: PatientView,
  prescription: PrescriptionView,
  prescriber: string | null,
): Pick<Prescribed, "patient" | "medication" | "prescription"> {
  const ofPatient: Line[] = [
    ["Name", fullName(patient)],
    ["Born", patient.birthDate],
    ["Sex", patient.sex],
    ["National id", patient.nationalId],
    ["Address", patient.address],
    ["Phone", patient.phone],
  ];
  const { refills } = prescription;
  const lines: Line[] = [
    ["Code", codeText(prescription.code)],
    ["Dosage", prescription.dosage],
    ["Frequency", prescription.frequency],
    ["From", prescription.startDate],
    ["Until", prescription.endDate],
    ["Refills", refills === null ? null : String(refills)],
    ["Status", prescription.status],
    ["Notes", prescription.notes],
    ["Prescribed by", prescriber ?? prescription.prescribedBy],
    ["Prescription", prescription.id],
  ];
  return { patient: ofPatient, medication: prescription.medication, prescription: lines };
}

/** What the signature of a printed prescription is over: what stands on the page, but for masks. */
export function signedContent(patient: PatientView, prescription: PrescriptionView): Printed {
  const { givenName, familyName, birthDate } = patient;
  const { medication, code, dosage, frequency, notes, startDate, endDate, refills, status, prescribedBy } =
    prescription;
  return {
    ...{ givenName, familyName, birthDate, medication, dosage, frequency, notes, startDate, endDate },
    ...{ refills, status, prescribedBy },
    code: code && { system: code.system, code: code.code, display: code.display },
  };
}
