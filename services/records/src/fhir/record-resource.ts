import type { MedicalRecord } from "../medical-records/record.ts";
import { asSaid, DAY_CHARS } from "../resources/as-said.ts";
import { fhirCoding } from "./coding.ts";
import type { FhirResource, Reference } from "./resource.ts";
import { UNKNOWN } from "./written.ts";

/** An allergy that is recorded here, and not hidden, is one to reckon with. */
const ACTIVE = {
  coding: [{ system: "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", code: "active" }],
};

/** A record that was written here, as the FHIR R4 resource of its type. */
export function recordResource(record: MedicalRecord, subject: Reference): FhirResource {
  const code = { ...fhirCoding(record), text: record.title };
  const when = asSaid(record, "occurredAt");
  const at = (element: string) => when !== null && { [element]: when };
  const note = [{ text: record.body }];
  const { id } = record;
  switch (record.type) {
    case "diagnosis":
      return { resourceType: "Condition", id, code, subject, ...at("recordedDate"), note };
    case "lab":
      return {
        resourceType: "Observation",
        id,
        status: "final",
        code,
        subject,
        ...at("effectiveDateTime"),
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
        ...at("effectiveDateTime"),
        conclusion: record.body,
      };
    case "procedure":
      return {
        resourceType: "Procedure",
        id,
        status: "completed",
        code,
        subject,
        ...at("performedDateTime"),
        note,
      };
    case "allergy":
      return {
        resourceType: "AllergyIntolerance",
        id,
        clinicalStatus: ACTIVE,
        code,
        patient: subject,
        ...at("recordedDate"),
        note,
      };
    case "immunization":
      return {
        resourceType: "Immunization",
        id,
        status: "completed",
        vaccineCode: code,
        patient: subject,
        ...(at("occurrenceDateTime") || { _occurrenceDateTime: UNKNOWN }),
        note,
      };
    case "note":
      return {
        resourceType: "DocumentReference",
        id,
        status: "current",
        ...(record.code !== null && { type: fhirCoding(record) }),
        description: record.title,
        subject,
        // An instant is what this element holds; the period of care has any precision.
        ...(when !== null &&
          (when.length > DAY_CHARS ? { date: when } : { context: { period: { start: when } } })),
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
