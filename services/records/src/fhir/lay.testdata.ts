import type { FhirResource } from "./resource.ts";

const subject = { reference: "urn:uuid:29145fc6-da4e-4607-a7e1-59f3a9e270d9" };
const loinc = "http://loinc.org";
const snomed = "http://snomed.info/sct";
const kept = {
  id: "its-own",
  meta: { versionId: "7", lastUpdated: "2024-01-02T03:04:05.678+02:00", tag: [{ code: "ward-3" }] },
  identifier: [{ system: "urn:oid:2.999.1", value: "A-1" }],
  extension: [{ url: "http://example.org/unknown", valueDecimal: 1.5 }],
  encounter: { reference: "Encounter/9" },
};

/** One original of each kind that becomes a row of ours, with much beside what the row shows. */
export const ORIGINALS: readonly FhirResource[] = [
  {
    resourceType: "Patient",
    ...kept,
    encounter: undefined,
    identifier: [
      { system: "urn:oid:2.999.7.7", value: "305ad73c" },
      {
        use: "official",
        type: { coding: [{ system: "http://terminology.hl7.org/CodeSystem/v2-0203", code: "NI" }] },
        system: "urn:oid:2.999.7.8",
        value: "NI-1960",
        period: { start: "1990" },
      },
    ],
    name: [
      { use: "maiden", family: "Maidenly" },
      {
        use: "official",
        text: "Dr. Nadia Rose Keeper",
        family: "Keeper",
        _family: {
          extension: [
            { url: "http://hl7.org/fhir/StructureDefinition/humanname-own-name", valueString: "Keeper" },
          ],
        },
        given: ["Nadia", "Rose"],
        _given: [null, { extension: [{ url: "http://example.org/call-me", valueBoolean: true }] }],
        prefix: ["Dr."],
        period: { start: "1985" },
      },
    ],
    telecom: [
      { system: "phone", value: "555-0001", period: { end: "2001" } },
      { system: "phone", value: "555-0100", use: "mobile", rank: 2 },
      { system: "phone", value: "555-0199", use: "work", rank: 3 },
      { system: "email", value: "n@example.org" },
    ],
    address: [
      { use: "old", text: "1 Former Lane" },
      { use: "home", line: ["2 Present Road"], city: "Newtown", postalCode: "N1", period: { start: "2010" } },
    ],
    gender: "female",
    birthDate: "1960",
    _birthDate: { extension: [{ url: "http://example.org/estimated", valueBoolean: true }] },
    deceasedDateTime: "2025-01-02",
    contact: [{ name: { text: "Olek Keeper" }, telecom: [{ system: "phone", value: "555-0111" }] }],
    multipleBirthInteger: 2,
  },
  {
    resourceType: "Condition",
    ...kept,
    subject,
    clinicalStatus: {
      coding: [{ system: "http://terminology.hl7.org/CodeSystem/condition-clinical", code: "active" }],
    },
    severity: { coding: [{ system: snomed, code: "24484000", display: "Severe" }] },
    code: {
      coding: [
        { system: snomed, code: "44054006", display: "Diabetes mellitus type 2" },
        { system: "http://hl7.org/fhir/sid/icd-10", code: "E11.9" },
      ],
      text: "Type 2 diabetes",
    },
    onsetDateTime: "2011-05",
    recordedDate: "2012-01-02",
    note: [
      { authorString: "Dr. First", time: "2012-01-02T10:00:00Z", text: "Diet first." },
      { text: "Metformin since May." },
    ],
  },
  {
    resourceType: "Observation",
    ...kept,
    subject,
    status: "final",
    code: { coding: [{ system: loinc, code: "2823-3", display: "Potassium" }] },
    effectiveDateTime: "2024-05-06T07:08:09+02:00",
    issued: "2024-05-07T00:00:00Z",
    valueQuantity: { value: 4.2, unit: "mmol/L", system: "http://unitsofmeasure.org", code: "mmol/L" },
    interpretation: [{ text: "Normal" }],
    referenceRange: [{ low: { value: 3.5, unit: "mmol/L" }, high: { value: 5.1, unit: "mmol/L" } }],
    method: { text: "ISE" },
  },
  {
    resourceType: "Observation",
    ...kept,
    subject,
    status: "preliminary",
    code: { text: "Blood pressure" },
    effectivePeriod: { start: "2024-05-06T07:08:09Z", end: "2024-05-06T07:18:09Z" },
    component: [
      {
        code: { text: "Systolic" },
        valueQuantity: { value: 120, unit: "mm[Hg]" },
        interpretation: [{ text: "Normal" }],
      },
      { code: { text: "Diastolic" }, valueQuantity: { value: 80, unit: "mm[Hg]" } },
    ],
    note: [{ text: "Sitting." }],
  },
  {
    resourceType: "Procedure",
    ...kept,
    subject,
    status: "completed",
    code: { text: "Appendectomy" },
    performedPeriod: { start: "2020-03-04T05:06:07Z", end: "2020-03-04T06:06:07Z" },
    reasonCode: [{ text: "Appendicitis" }, { text: "Pain" }],
    outcome: { text: "Good" },
  },
  {
    resourceType: "Immunization",
    ...kept,
    patient: subject,
    status: "completed",
    vaccineCode: { coding: [{ system: "http://hl7.org/fhir/sid/cvx", code: "140", display: "Influenza" }] },
    occurrenceDateTime: "2023-10-11",
    lotNumber: "LOT-9",
    doseQuantity: { value: 0.5, unit: "mL" },
  },
  {
    resourceType: "AllergyIntolerance",
    ...kept,
    patient: subject,
    clinicalStatus: {
      coding: [
        { system: "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", code: "active" },
      ],
    },
    criticality: "high",
    code: { text: "Penicillin" },
    recordedDate: "2019-02-03T04:05:06Z",
    reaction: [
      { manifestation: [{ text: "Hives" }], severity: "severe" },
      { manifestation: [{ text: "Nausea" }] },
    ],
  },
  {
    resourceType: "DiagnosticReport",
    ...kept,
    subject,
    status: "final",
    category: [{ coding: [{ system: "http://terminology.hl7.org/CodeSystem/v2-0074", code: "RAD" }] }],
    code: { text: "Chest X-ray" },
    effectiveDateTime: "2022-01-01T10:00:00Z",
    result: [{ reference: "Observation/77" }],
    conclusion: "No infiltrate.",
    presentedForm: [{ contentType: "application/pdf", url: "Binary/5" }],
  },
  {
    resourceType: "Encounter",
    ...kept,
    encounter: undefined,
    subject,
    status: "finished",
    class: { system: "http://terminology.hl7.org/CodeSystem/v3-ActCode", code: "AMB", display: "ambulatory" },
    type: [{ text: "Check-up" }, { text: "Telehealth" }],
    period: { start: "2021-01-01T09:00:00Z", end: "2021-01-01T09:30:00Z" },
    reasonCode: [{ text: "Cough" }],
  },
  {
    resourceType: "MedicationRequest",
    ...kept,
    subject,
    status: "active",
    intent: "order",
    medicationCodeableConcept: {
      coding: [
        {
          system: "http://www.nlm.nih.gov/research/umls/rxnorm",
          code: "860975",
          display: "Metformin 500 mg",
        },
      ],
    },
    authoredOn: "2024-02-03T04:05:06Z",
    requester: { reference: "Practitioner/3" },
    dosageInstruction: [
      {
        sequence: 1,
        text: "One tablet with food",
        route: { text: "oral" },
        timing: {
          repeat: { frequency: 2, period: 1, periodUnit: "d", boundsPeriod: { start: "2024-02-03" } },
        },
        doseAndRate: [{ doseQuantity: { value: 1, unit: "tablet" } }],
      },
      { sequence: 2, text: "Half a tablet when ill" },
    ],
    note: [{ text: "Kidneys checked." }, { authorString: "Dr. B", text: "Again in May." }],
    dispenseRequest: {
      validityPeriod: { start: "2024-02-03", end: "2024-08-03" },
      numberOfRepeatsAllowed: 3,
      quantity: { value: 60 },
    },
  },
  {
    resourceType: "Claim",
    ...kept,
    encounter: undefined,
    patient: subject,
    status: "draft",
    use: "claim",
    type: { text: "professional" },
    created: "2024-03-04",
    provider: { reference: "Practitioner/3", display: "Dr. B" },
    insurance: [{ sequence: 1, focal: true, coverage: { reference: "Coverage/1" } }],
    diagnosis: [
      { sequence: 1, diagnosisCodeableConcept: { coding: [{ code: "E11.9" }], text: "Diabetes" } },
      { sequence: 2, diagnosisCodeableConcept: { coding: [{ code: "I10" }], text: "Hypertension" } },
    ],
    item: [
      { sequence: 1, productOrService: { text: "Visit" }, net: { value: 20.5, currency: "EUR" } },
      { sequence: 2, productOrService: { text: "Blood test" }, net: { value: 5, currency: "EUR" } },
    ],
    total: { value: 25.5, currency: "EUR" },
  },
].map((one) => JSON.parse(JSON.stringify(one)) as FhirResource);
