import type { Claim } from "../claims/claim.ts";
import type { MedicalRecord } from "../medical-records/record.ts";
import type { Patient } from "../patients/patient.ts";
import type { Prescription } from "../prescriptions/prescription.ts";
import type { Resource } from "./bundle.ts";

/** FHIR R4 resources of what was written here and so has no original. `subject` refers to the patient. */
type Reference = { reference: string };

export function patientResource(patient: Patient): Resource {
  const telecom = [
    ...(patient.phone === null ? [] : [{ system: "phone", value: patient.phone }]),
    ...(patient.email === null ? [] : [{ system: "email", value: patient.email }]),
  ];
  return {
    resourceType: "Patient",
    id: patient.id,
    name: [{ use: "official", family: patient.familyName, given: [patient.givenName] }],
    gender: patient.sex,
    ...(patient.birthDate !== null && { birthDate: patient.birthDate }),
    ...(patient.nationalId !== null && {
      identifier: [
        {
          type: { coding: [{ system: "http://terminology.hl7.org/CodeSystem/v2-0203", code: "NI" }] },
          value: patient.nationalId,
        },
      ],
    }),
    ...(telecom.length > 0 && { telecom }),
    ...(patient.address !== null && { address: [{ text: patient.address }] }),
  };
}

export function recordResource(record: MedicalRecord, subject: Reference): Resource {
  const code = { ...(record.code !== null && { coding: [{ code: record.code }] }), text: record.title };
  const when = record.occurredAt.toISOString();
  const note = [{ text: record.body }];
  const { id } = record;
  switch (record.type) {
    case "diagnosis":
      return { resourceType: "Condition", id, code, subject, recordedDate: when, note };
    case "lab":
      return {
        resourceType: "Observation",
        id,
        status: "final",
        code,
        subject,
        effectiveDateTime: when,
        valueString: record.body,
      };
    case "imaging":
      return {
        resourceType: "DiagnosticReport",
        id,
        status: "final",
        category: [{ coding: [{ system: "http://terminology.hl7.org/CodeSystem/v2-0074", code: "RAD" }] }],
        code,
        subject,
        effectiveDateTime: when,
        conclusion: record.body,
      };
    case "procedure":
      return {
        resourceType: "Procedure",
        id,
        status: "completed",
        code,
        subject,
        performedDateTime: when,
        note,
      };
    case "allergy":
      return { resourceType: "AllergyIntolerance", id, code, patient: subject, recordedDate: when, note };
    case "immunization":
      return {
        resourceType: "Immunization",
        id,
        status: "completed",
        vaccineCode: code,
        patient: subject,
        occurrenceDateTime: when,
        note,
      };
    case "note":
      return {
        resourceType: "DocumentReference",
        id,
        status: "current",
        description: record.title,
        subject,
        date: when,
        content: [
          {
            attachment: {
              contentType: "text/plain; charset=utf-8",
              data: Buffer.from(record.body, "utf8").toString("base64"),
            },
          },
        ],
      };
  }
}

export function prescriptionResource(prescription: Prescription, subject: Reference): Resource {
  const { dosage, frequency, notes, refills, endDate } = prescription;
  const instruction = [dosage, frequency].filter((text) => text !== null).join("; ");
  return {
    resourceType: "MedicationRequest",
    id: prescription.id,
    status: prescription.status,
    intent: "order",
    medicationCodeableConcept: { text: prescription.medication },
    subject,
    authoredOn: prescription.createdAt.toISOString(),
    ...(instruction !== "" && { dosageInstruction: [{ text: instruction }] }),
    ...(notes !== null && { note: [{ text: notes }] }),
    dispenseRequest: {
      validityPeriod: { start: prescription.startDate, ...(endDate !== null && { end: endDate }) },
      ...(refills !== null && { numberOfRepeatsAllowed: refills }),
    },
  };
}

export function claimResource(claim: Claim, patient: Reference): Resource {
  const digits = new Intl.NumberFormat("en", {
    style: "currency",
    currency: claim.currency,
  }).resolvedOptions();
  const { diagnosis, diagnosisCode, treatment } = claim;
  return {
    resourceType: "Claim",
    id: claim.id,
    status: claim.status === "draft" ? "draft" : "active",
    use: "claim",
    type: { text: "professional" },
    patient,
    created: claim.createdAt.toISOString(),
    ...(claim.providerId !== null && { provider: { reference: `urn:uuid:${claim.providerId}` } }),
    ...((diagnosis !== null || diagnosisCode !== null) && {
      diagnosis: [
        {
          sequence: 1,
          diagnosisCodeableConcept: {
            ...(diagnosisCode !== null && { coding: [{ code: diagnosisCode }] }),
            ...(diagnosis !== null && { text: diagnosis }),
          },
        },
      ],
    }),
    ...(treatment !== null && { item: [{ sequence: 1, productOrService: { text: treatment } }] }),
    total: { value: claim.amount / 10 ** (digits.maximumFractionDigits ?? 2), currency: claim.currency },
  };
}
