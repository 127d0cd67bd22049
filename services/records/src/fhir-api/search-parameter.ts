import { searchedFields } from "@medvault/keys";
import { definitionOf } from "../fhir/definition.ts";
import { patients } from "../patients/patient.table.ts";
import { prescriptions } from "../prescriptions/prescription.table.ts";

/** A parameter of a search: how it compares, and with which elements. */
export interface SearchParameter {
  readonly name: string;
  readonly type: "token" | "string" | "date" | "reference";
  readonly elements: readonly string[];
  /** What it asks for identifies a person, so it is never in a URL. */
  readonly isPersonal: boolean;
  /** What it asks for says what somebody has: no link spells it that was not sent as one. */
  readonly isMedical?: true;
}

const make =
  (type: SearchParameter["type"], isPersonal = false) =>
  (name: string, ...elements: string[]): SearchParameter => ({ name, type, elements, isPersonal });
const token = make("token");
const date = make("date");
const personalToken = make("token", true);
const personalText = make("string", true);

const status = token("status", "status");
const word = (name: string, element: string): SearchParameter => ({
  ...token(name, element),
  isMedical: true,
});
const code = word("code", "code");
const category = word("category", "category");
const type = word("type", "type");
const effective = date("date", "effectiveDateTime", "effectivePeriod", "effectiveInstant");

/** The parameters of each type, beside those that all have. */
const OF_TYPE: Readonly<Record<string, readonly SearchParameter[]>> = {
  Patient: [
    personalToken("identifier", "identifier"),
    personalText("name", "name"),
    personalText("family", "name"),
    personalText("given", "name"),
    make("date", true)("birthdate", "birthDate"),
    personalToken("phone", "telecom"),
    personalToken("email", "telecom"),
    token("gender", "gender"),
  ],
  AllergyIntolerance: [
    code,
    category,
    token("clinical-status", "clinicalStatus"),
    token("verification-status", "verificationStatus"),
    token("criticality", "criticality"),
    date("date", "recordedDate"),
  ],
  Appointment: [status, date("date", "start")],
  CarePlan: [status, category, date("date", "period")],
  CareTeam: [status, category],
  Claim: [status, token("use", "use"), date("created", "created")],
  Condition: [
    code,
    category,
    token("clinical-status", "clinicalStatus"),
    token("verification-status", "verificationStatus"),
    date("onset-date", "onsetDateTime", "onsetPeriod"),
    date("recorded-date", "recordedDate"),
  ],
  Coverage: [status, type],
  DiagnosticReport: [code, category, status, effective],
  DocumentReference: [category, status, type, date("date", "date")],
  Encounter: [status, word("class", "class"), type, date("date", "period")],
  ExplanationOfBenefit: [status, date("created", "created")],
  Goal: [category, token("lifecycle-status", "lifecycleStatus")],
  Immunization: [status, word("vaccine-code", "vaccineCode"), date("date", "occurrenceDateTime")],
  MedicationRequest: [
    word("code", "medicationCodeableConcept"),
    status,
    token("intent", "intent"),
    date("authoredon", "authoredOn"),
  ],
  Observation: [code, category, status, effective],
  Procedure: [code, category, status, date("date", "performedDateTime", "performedPeriod")],
  ServiceRequest: [code, category, status, token("intent", "intent"), date("authored", "authoredOn")],
};

const EVERY_TYPE = [token("_id", "id"), date("_lastUpdated", "meta.lastUpdated")];
const patient = make("reference")("patient", "subject", "patient", "beneficiary");
const subject = make("reference")("subject", "subject");

const name = "searchName";
/** Of which field of the index in memory a parameter asks. */
const PATIENT_FIELDS = {
  name,
  family: name,
  given: name,
  birthdate: "birthDate",
  phone: "phone",
  email: "email",
};
const FIELDS = new Map([
  ["Patient", { table: patients.table, of: new Map(Object.entries(PATIENT_FIELDS)) }],
  ["MedicationRequest", { table: prescriptions.table, of: new Map([["code", "code"]]) }],
]);

/** Whether the operator's policy takes what a parameter asks for out of the search. */
export function isTakenOut(resourceType: string, parameter: string): boolean {
  const fields = FIELDS.get(resourceType);
  const field = fields?.of.get(parameter);
  return !!fields && field !== undefined && !searchedFields(fields.table.declaration).includes(field);
}

/** Every parameter that a type takes, as the operator's policy has it. */
export function parametersOf(resourceType: string): readonly SearchParameter[] {
  const all = Object.hasOwn(OF_TYPE, resourceType) ? OF_TYPE[resourceType] : undefined;
  const own = (all ?? []).filter((one) => !isTakenOut(resourceType, one.name));
  if (resourceType === "Patient") return [...EVERY_TYPE, ...own];
  const hasSubject = definitionOf(resourceType)?.properties.has("subject") ?? false;
  return [...EVERY_TYPE, patient, ...(hasSubject ? [subject] : []), ...own];
}

/** Names that ask for a person wherever they stand, also where they are not supported. */
const PERSONAL =
  /^(identifier|name|family|given|phonetic|birthdate|death-date|phone|email|telecom|address(-.+)?|_content|_text|_filter)$/;

/** Whether a parameter may identify a person: chains and modifiers reach into the patient. */
export const isPersonal = (name: string): boolean => PERSONAL.test(name) || /[.:]/.test(name);
