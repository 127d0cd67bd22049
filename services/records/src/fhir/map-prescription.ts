import { PrescriptionStatus } from "@medvault/contracts";
import { z } from "zod";
import type { Prescription } from "../prescriptions/prescription.ts";
import { asSaid, firstDay, lastDay } from "../resources/as-said.ts";
import type { PatientOwned } from "../resources/patient-owned.ts";
import { codedOf, fhirCoding } from "./coding.ts";
import { Dosage, dosageText, timingText } from "./dosage.ts";
import * as fhir from "./element.ts";
import { isFact } from "./fact.ts";
import type { FhirResource, Reference, References } from "./resource.ts";

/** As in the contract; the index takes no text without bound. */
const MAX_MEDICATION_CHARS = 1_000;
const MAX_REFILLS = 999;

const MedicationRequest = z.looseObject({
  status: PrescriptionStatus.catch("unknown"),
  medicationCodeableConcept: fhir.Concept.optional(),
  medicationReference: fhir.Reference.optional(),
  authoredOn: fhir.DateAsSaid.optional(),
  dosageInstruction: z.array(Dosage).default([]),
  reasonCode: fhir.Concepts,
  substitution: z
    .looseObject({
      allowedBoolean: z.boolean().optional(),
      allowedCodeableConcept: fhir.Concept.optional(),
      reason: fhir.Concept.optional(),
    })
    .optional(),
  note: fhir.Annotations,
  dispenseRequest: z
    .looseObject({
      validityPeriod: fhir.Period.optional(),
      numberOfRepeatsAllowed: fhir.Count.pipe(z.int().min(0)).optional(),
    })
    .optional(),
});

/** What FHIR says of a prescription; its dates are days at most, as they were said. */
export type MappedPrescription = Omit<
  Prescription,
  keyof PatientOwned | "prescribedBy" | "createdBy" | "updatedBy" | "startDate" | "said"
> & {
  startDate: string | null;
};

/**
 * A MedicationRequest as a prescription, or null when no medication can be named, or at endless
 * length. Throws ZodError.
 */
export function mapPrescription(resource: FhirResource, references: References): MappedPrescription | null {
  if (resource.resourceType !== "MedicationRequest") return null;
  const request = MedicationRequest.parse(resource);
  const [concept, named] = medicationOf(request, resource, references);
  const medication = fhir.wordsOf(concept) ?? named;
  if (!medication || medication.length > MAX_MEDICATION_CHARS) return null;
  const validity = request.dispenseRequest?.validityPeriod;
  const startDate = (validity?.start ?? request.authoredOn)?.slice(0, 10) ?? null;
  const refills = request.dispenseRequest?.numberOfRepeatsAllowed ?? null;
  const endDate = validity?.end?.slice(0, 10) ?? null;
  return {
    medication,
    ...codedOf(concept),
    dosage: request.dosageInstruction.map(dosageText).filter(Boolean).join("; ") || null,
    frequency:
      request.dosageInstruction
        .map((d) => timingText(d.timing))
        .filter(Boolean)
        .join("; ") || null,
    notes: [...besides(resource).map(([, line]) => line), ...fhir.notesOf(request.note)].join("\n") || null,
    startDate,
    endDate:
      startDate !== null && endDate !== null && lastDay(endDate) < firstDay(startDate) ? null : endDate,
    refills: refills !== null && refills > MAX_REFILLS ? null : refills,
    status: request.status,
  };
}

function medicationOf(
  request: z.infer<typeof MedicationRequest>,
  resource: FhirResource,
  references: References,
): [concept: fhir.Concept | undefined, named?: string | undefined] {
  const concept = request.medicationCodeableConcept;
  if (fhir.wordsOf(concept)) return [concept];
  const medication = references.resolve(request.medicationReference?.reference, resource);
  const code = medication && isNamed(medication) ? fhir.Concept.safeParse(medication.code).data : undefined;
  return [code, request.medicationReference?.display];
}

const isNamed = (medication: FhirResource): boolean =>
  isFact(medication) && medication.status !== "entered-in-error";

/** What is said of a prescription besides its dosage, by element: lines above its notes. */
export function besides(resource: FhirResource): [element: string, line: string][] {
  const { substitution, reasonCode } = MedicationRequest.parse(resource);
  const { allowedBoolean, allowedCodeableConcept, reason } = substitution ?? {};
  const allowed = fhir.wordsOf(allowedCodeableConcept) ?? ALLOWED[String(allowedBoolean)];
  const why = fhir.wordsOf(reason);
  const lines = {
    reasonCode: ["Reason", fhir.listed(reasonCode)],
    substitution: ["Substitution", allowed && why ? `${allowed} (${why})` : allowed],
  } as const;
  return Object.entries(lines).flatMap(([element, pair]) =>
    fhir.labelled([pair]).map((line): [string, string] => [element, line]),
  );
}
const ALLOWED: Readonly<Record<string, string>> = { true: "allowed", false: "not allowed" };

/** A prescription that was written here, as FHIR R4. */
export function prescriptionResource(prescription: Prescription, subject: Reference): FhirResource {
  const { dosage, frequency, notes, refills } = prescription;
  const [start, end] = [asSaid(prescription, "startDate"), asSaid(prescription, "endDate")];
  const instruction = [dosage, frequency].filter((text) => text !== null).join("; ");
  return {
    resourceType: "MedicationRequest",
    id: prescription.id,
    status: prescription.status,
    intent: "order",
    medicationCodeableConcept: { ...fhirCoding(prescription), text: prescription.medication },
    subject,
    authoredOn: prescription.createdAt.toISOString(),
    requester: { reference: `urn:uuid:${prescription.prescribedBy}` },
    ...(instruction !== "" && {
      dosageInstruction: [
        { text: instruction, ...(frequency !== null && { timing: { code: { text: frequency } } }) },
      ],
    }),
    ...(notes !== null && { note: [{ text: notes }] }),
    ...((start ?? end ?? refills) !== null && {
      dispenseRequest: {
        ...((start ?? end) !== null && {
          validityPeriod: { ...(start !== null && { start }), ...(end !== null && { end }) },
        }),
        ...(refills !== null && { numberOfRepeatsAllowed: refills }),
      },
    }),
  };
}
