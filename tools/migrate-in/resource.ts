import { createHash } from "node:crypto";
import type { Fields } from "./making.ts";
import type { Kind, Mapping, MappingTo } from "./map.ts";
import type { Moment } from "./moment.ts";
import { Refused } from "./row.ts";

export type FhirResource = { resourceType: string } & Readonly<Record<string, unknown>>;
/** What is sent as FHIR; appointments, files and users have calls of their own. */
export type FhirKind = "patient" | "record" | "prescription" | "claim";

/** By which a patient of a source is known here, whoever looks. */
const SYSTEM = "urn:medvault:moved-in";
/** Nobody's server: a full URL there names one row of one source, and nothing else in the world. */
const SERVER = "https://moved-in.medvault.invalid";
const WHOLE_TEXT = "urn:medvault:fhir:whole-text";
const V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203";
const UNKNOWN = {
  extension: [{ url: "http://hl7.org/fhir/StructureDefinition/data-absent-reason", valueCode: "unknown" }],
};
const TYPES: Readonly<Record<string, string>> = {
  note: "Encounter",
  diagnosis: "Condition",
  lab: "Observation",
  imaging: "DiagnosticReport",
  procedure: "Procedure",
  allergy: "AllergyIntolerance",
  immunization: "Immunization",
};

/** What one row of a source is known by, in this and every later run: nothing of it can be read back. */
export function identityOf(source: string, kind: Kind, key: readonly string[]): string {
  return createHash("sha256")
    .update(JSON.stringify([source, kind, ...key]))
    .digest("hex");
}

/** Where a resource is said to lie. */
export const fullUrlOf = (resource: FhirResource, identity: string): string =>
  `${SERVER}/${resource.resourceType}/${identity}`;

/** A row as FHIR R4. Throws Refused. */
export function resourceOf(
  fields: Fields,
  kind: FhirKind,
  identity: string,
  patientId: string,
): FhirResource {
  const subject = { reference: `Patient/${patientId}` };
  if (kind === "patient") return patientOf(fields, identity);
  if (kind === "record") return recordOf(fields, subject);
  return kind === "claim" ? claimOf(fields, subject) : prescriptionOf(fields, subject);
}

/** Whether a mapping is of what goes in as FHIR. */
export const isFhir = (mapping: Mapping): mapping is MappingTo<FhirKind> =>
  mapping.to === "patient" ||
  mapping.to === "record" ||
  mapping.to === "prescription" ||
  mapping.to === "claim";

function patientOf(fields: Fields, identity: string): FhirResource {
  const [text, given, family] = ["name", "givenName", "familyName"].map((name) => fields.text(name, 200));
  if (!text && !given && !family) throw new Refused("empty", "the patient has no name");
  const national = fields.text("nationalId", 64);
  const [phone, email] = [fields.text("phone", 64), fields.text("email", 320)];
  const telecom = Object.entries({ phone, email }).flatMap(([system, value]) =>
    value ? { system, value } : [],
  );
  const address = fields.text("address", 500);
  return {
    resourceType: "Patient",
    identifier: [
      { type: typeOf("PI"), system: SYSTEM, value: identity },
      ...(national ? [{ type: typeOf("NI"), value: national }] : []),
    ],
    name: [{ use: "official", ...nameOf({ text, family, given }) }],
    gender: fields.text("sex", 100) ?? "unknown",
    ...optional("birthDate", fields.moment("birthDate")?.day),
    ...(telecom.length > 0 && { telecom }),
    ...(address && { address: [{ text: address }] }),
  };
}

const typeOf = (code: string) => ({ coding: [{ system: V2_0203, code }] });

const nameOf = (name: Record<"text" | "family" | "given", string | null | undefined>) => ({
  ...optional("text", name.text),
  ...optional("family", name.family),
  ...(name.given && { given: [name.given] }),
});

function recordOf(fields: Fields, subject: object): FhirResource {
  const type = fields.required("type", 100);
  const title = fields.required("title", 1_000);
  const body = fields.text("body", 100_000) ?? title;
  const code = conceptOf(title, fields.text("code", 200), fields.text("codeSystem", 500));
  const said = saidOf(fields.moment("occurredAt"));
  const note = [{ extension: [{ url: WHOLE_TEXT, valueBoolean: true }], text: body }];
  const extension = [{ url: WHOLE_TEXT, valueString: body }];
  const resourceType = TYPES[type] as string;
  switch (type) {
    case "note":
      return {
        ...{ resourceType, extension, status: "finished", subject, type: [code] },
        class: { system: "http://terminology.hl7.org/CodeSystem/v3-ActCode", code: "AMB" },
        ...(said && { period: { start: said } }),
      };
    case "diagnosis":
      return { resourceType, code, subject, ...optional("onsetDateTime", said), note };
    case "lab":
      return { resourceType, status: "final", code, subject, ...optional("effectiveDateTime", said), note };
    case "imaging": {
      const category = [
        { coding: [{ system: "http://terminology.hl7.org/CodeSystem/v2-0074", code: "RAD" }] },
      ];
      const when = optional("effectiveDateTime", said);
      return { resourceType, extension, status: "final", category, code, subject, ...when };
    }
    case "procedure":
      return {
        resourceType,
        status: "completed",
        code,
        subject,
        ...optional("performedDateTime", said),
        note,
      };
    case "allergy":
      return { resourceType, code, patient: subject, ...optional("onsetDateTime", said), note };
    default: {
      const when = said ? { occurrenceDateTime: said } : { _occurrenceDateTime: UNKNOWN };
      return { resourceType, status: "completed", vaccineCode: code, patient: subject, ...when, note };
    }
  }
}

function prescriptionOf(fields: Fields, subject: object): FhirResource {
  const [dosage, frequency] = [fields.text("dosage", 1_000), fields.text("frequency", 1_000)];
  const notes = fields.text("notes", 10_000);
  const [start, end] = [fields.moment("startDate")?.day, fields.moment("endDate")?.day];
  const refills = fields.text("refills", 10);
  if (refills !== null && !/^\d{1,3}$/.test(refills))
    throw new Refused("bad_number", "refills are no number to 999");
  const prescriber = fields.text("prescriber", 200);
  const medication = { text: fields.required("medication", 1_000) };
  const instruction = {
    ...optional("text", dosage),
    ...(frequency && { timing: { code: { text: frequency } } }),
  };
  const period = { ...optional("start", start), ...optional("end", end) };
  const dispense = {
    ...((start || end) && { validityPeriod: period }),
    ...(refills && { numberOfRepeatsAllowed: Number(refills) }),
  };
  return {
    ...{
      resourceType: "MedicationRequest",
      status: fields.text("status", 100) ?? "unknown",
      intent: "order",
    },
    ...{ medicationCodeableConcept: medication, subject },
    ...optional("authoredOn", saidOf(fields.moment("writtenAt"))),
    ...(prescriber && { requester: { display: prescriber } }),
    ...((dosage || frequency) && { dosageInstruction: [instruction] }),
    ...(notes && { note: [{ text: notes }] }),
    ...(Object.keys(dispense).length > 0 && { dispenseRequest: dispense }),
  };
}

function claimOf(fields: Fields, patient: object): FhirResource {
  const amount = fields.required("amount", 20);
  if (!/^\d{1,15}(\.\d{1,4})?$/.test(amount))
    throw new Refused("bad_number", "the amount is not written like 129.50");
  const [code, diagnosis] = [fields.text("diagnosisCode", 200), fields.text("diagnosis", 1_000)];
  const treatment = fields.text("treatment", 10_000);
  const concept = { ...(code && { coding: [{ code }] }), ...optional("text", diagnosis) };
  const { rawJSON } = JSON as typeof JSON & { rawJSON(text: string): unknown };
  const system = "http://terminology.hl7.org/CodeSystem/claim-type";
  return {
    ...{ resourceType: "Claim", status: fields.text("status", 100) === "draft" ? "draft" : "active" },
    ...{ use: "claim", type: { coding: [{ system, code: "professional" }] }, patient, provider: UNKNOWN },
    ...{ priority: { coding: [{ code: "normal" }] } },
    ...optional("created", saidOf(fields.moment("createdAt"))),
    insurance: [{ sequence: 1, focal: true, coverage: { ...UNKNOWN, display: "Not stated" } }],
    ...((code || diagnosis) && { diagnosis: [{ sequence: 1, diagnosisCodeableConcept: concept }] }),
    ...(treatment && { item: [{ sequence: 1, productOrService: { text: treatment } }] }),
    // By its digits: 129.50 stays 129.50.
    total: {
      value: rawJSON(amount.replace(/^0+(?=\d)/, "")),
      currency: fields.required("currency", 3).toUpperCase(),
    },
  };
}

function conceptOf(text: string, code: string | null, system: string | null) {
  return { ...(code && { coding: [{ ...optional("system", system), code }] }), text };
}

const saidOf = (moment: Moment | null): string | null => moment && (moment.instant ?? moment.day);

const optional = <T>(name: string, value: T | null | undefined) => (value ? { [name]: value } : {});
