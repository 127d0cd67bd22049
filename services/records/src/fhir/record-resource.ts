import type { MedicalRecord } from "../medical-records/record.ts";
import type { FhirResource, Reference } from "./resource.ts";

/** A record that was written here, as the FHIR R4 resource of its type. */
export function recordResource(record: MedicalRecord, subject: Reference): FhirResource {
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
        ...(record.code !== null && { type: { coding: [{ code: record.code }] } }),
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
