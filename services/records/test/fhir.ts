import type { FhirImportView } from "@medvault/contracts";
import type { TestClient } from "@medvault/testing";

export type Json = Record<string, unknown>;
export interface EntrySent {
  fullUrl?: string;
  resource?: Json;
  request?: Json;
}

export const load = (who: TestClient, entry: EntrySent[], type = "transaction", headers = {}) =>
  who.post<FhirImportView & { code: string }>(
    "/v1/fhir",
    { resourceType: "Bundle", type, entry },
    { headers },
  );

/** Entries of one hospital's server: a patient of this number, and what is about them. */
export function hospital(number: string, base = `http://${number}.example/fhir`) {
  const url = (type: string, id: string) => `${base}/${type}/${id}`;
  const subject = { reference: url("Patient", "p") };
  const put = (resource: Json, more: Json = {}): EntrySent => {
    const [type, id] = [String(resource.resourceType), String(resource.id)];
    return { fullUrl: url(type, id), resource, request: { method: "PUT", url: `${type}/${id}`, ...more } };
  };
  return {
    subject,
    put,
    patient: (more: Json = {}) =>
      put({
        resourceType: "Patient",
        id: "p",
        identifier: [{ system: "urn:oid:2.999.7.1", value: number }],
        name: [{ family: "Marsh", given: ["Ada"] }],
        birthDate: "1960-01-01",
        ...more,
      }),
    lab: (more: Json = {}) =>
      put({
        resourceType: "Observation",
        id: "k",
        status: "final",
        code: { text: "Potassium" },
        effectiveDateTime: "2024-05-06T07:08:09Z",
        valueQuantity: { value: 7.9, unit: "mmol/L" },
        subject,
        ...more,
      }),
  };
}

/** The status of each entry, with its outcome's severity where that is no mere information. */
export const statusesOf = (answer: { body: FhirImportView }): string[] =>
  answer.body.entry.map(({ response: { status, outcome } }) => {
    const severity = outcome.issue[0]?.severity;
    return severity === "information" ? status : `${status} ${severity}`;
  });
