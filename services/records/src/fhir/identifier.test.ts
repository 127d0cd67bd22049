import { expect, test } from "vitest";
import { identifierKey, isNational, isOfOnePerson } from "./identifier.ts";

const V2 = "http://terminology.hl7.org/CodeSystem/v2-0203";
const of = (more: object) => ({ system: "urn:oid:2.999.1", value: "A-77312", ...more });
const typed = (code: string, system: string | undefined = V2) => ({
  type: { coding: [{ ...(system && { system }), code }] },
});

test.each("MR PI PT NI SS PPN DL JHN TAX NNDEU NNUSA MC MA HC CZ PRC BR MI SB SR".split(" "))(
  "a number of type %s is one person's",
  (code) => {
    expect(isOfOnePerson(of(typed(code)))).toBe(true);
    expect(isOfOnePerson(of({ type: { coding: [{ code }] } }))).toBe(true);
    expect(isOfOnePerson(of({ ...typed(code), system: "" }))).toBe(false);
  },
);

test.each("MB SN AN ACSN VN PLAC FILL FGN PGN UDI LN SP CK NH XX EN NPI PRN MRT FI".split(" "))(
  "a number of type %s is nobody's own",
  (code) => expect(isOfOnePerson(of(typed(code)))).toBe(false),
);

test.each([
  "https://clinic.example/mrn",
  "http://hospital.smarthealthit.org",
  "https://github.com/synthetichealth/synthea",
  "urn:oid:1.2.36.146.595.217.0.1",
  "https://group-health.example/patients",
  "https://registry.example/national-insurance-number",
  "http://hl7.org/fhir/sid/us-ssn",
  "http://hl7.org/fhir/sid/us-mbi",
])("an untyped number of %s is taken for one person's", (system) => {
  expect(isOfOnePerson(of({ system }))).toBe(true);
});

test.each([
  "https://insurer.example/policy",
  "https://payer.example/memberId",
  "https://clinic.example/accounts",
  "https://clinic.example/visit_number",
  "https://lab.example/accession",
  "https://clinic.example/fhir/encounter-id",
  "https://clinic.example/subscriber",
  "urn:clinic:order:number",
  "http://hl7.org/fhir/sid/us-npi",
])("an untyped number of %s is not", (system) => {
  expect(isOfOnePerson(of({ system }))).toBe(false);
});

test("a type of the issuer's own says what its words say", () => {
  const local = (code: string, display = "") =>
    of({ type: { coding: [{ system: "urn:local", code, display }] } });
  expect(isOfOnePerson(local("mrn", "Medical record number"))).toBe(true);
  expect(isOfOnePerson(local("x", "Member number"))).toBe(false);
  expect(isOfOnePerson(of({ type: { text: "Insurance policy" } }))).toBe(false);
});

test("a number of a state is known by its type or its system, never as a subscriber's", () => {
  const ssn = "http://hl7.org/fhir/sid/us-ssn";
  expect(isNational(of({ system: "", ...typed("NI") }))).toBe(true);
  expect(isNational(of({ system: ssn }))).toBe(true);
  expect(isNational(of({ system: "https://fhir.nhs.uk/Id/nhs-number" }))).toBe(true);
  expect(isNational(of(typed("MR")))).toBe(false);
  expect(isNational(of({ system: ssn, ...typed("SN") }))).toBe(false);
  expect(isNational(of({ system: ssn, value: "999-99-9999" }))).toBe(false);
});

test("one number has one key however it and its system are spelt, and another system another key", () => {
  const same = [
    { system: "http://hl7.org/fhir/sid/us-ssn", value: "900-55-1234" },
    { system: "urn:oid:2.16.840.1.113883.4.1", value: "900551234" },
    { system: "http://hl7.org/fhir/sid/us-ssn/", value: " 900 55 1234 " },
  ];
  expect(new Set(same.map(identifierKey)).size).toBe(1);
  expect(identifierKey({ system: "urn:x", value: "1" })).not.toBe(
    identifierKey({ system: "urn:y", value: "1" }),
  );
  const uri = (value: string) => identifierKey({ system: "urn:ietf:rfc:3986", value });
  expect(uri("urn:oid:1.23.4")).not.toBe(uri("urn:oid:1.2.34"));
});
