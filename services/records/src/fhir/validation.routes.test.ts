import type { OperationOutcome } from "@medvault/contracts";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Records, startRecords } from "../../test/harness.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service.close());

const validate = (who: TestClient, resource: unknown, type = "") =>
  who.post<OperationOutcome>(`/v1/fhir/${type}$validate`, resource);
const allergy = {
  resourceType: "AllergyIntolerance",
  patient: { reference: "Patient/1" },
  code: { text: "Latex" },
};

test("a resource is checked by R4, and each fault says where and what, but no value", async () => {
  const doctor = service.someone("doctor");
  const answer = await validate(doctor, {
    resourceType: "Patient",
    birthDate: "31/01/1980",
    name: [{ given: ["Ada", 7] }],
    gender: "S1234567D",
  });
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toMatch(/^application\/fhir\+json/);
  expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
  expect(answer.body).toEqual({
    resourceType: "OperationOutcome",
    issue: [
      {
        severity: "error",
        code: "value",
        diagnostics: "Patient.birthDate must be a date: 1980, 1980-05 or 1980-05-12.",
        expression: ["Patient.birthDate"],
      },
      {
        severity: "error",
        code: "structure",
        diagnostics: "Patient.name[0].given[1] must be text.",
        expression: ["Patient.name[0].given[1]"],
      },
      {
        severity: "error",
        code: "code-invalid",
        diagnostics: "Patient.gender must be one of male, female, other, unknown.",
        expression: ["Patient.gender"],
      },
    ],
  });
});

test("what is missing and the rules between elements are errors to $validate, though never to an import", async () => {
  const doctor = service.someone("doctor");
  expect((await validate(doctor, allergy)).body.issue).toMatchObject([
    { severity: "error", code: "invariant", diagnostics: expect.stringContaining("ait-1") },
  ]);
  const claim = {
    resourceType: "Claim",
    status: "active",
    use: "claim",
    patient: { reference: "Patient/1" },
  };
  const { issue } = (await validate(doctor, claim)).body;
  expect(issue.map(({ expression }) => expression?.[0])).toEqual(
    ["type", "created", "provider", "priority", "insurance"].map((name) => `Claim.${name}`),
  );
});

test("a valid resource, also one in Parameters, is told to be valid; profiles are told to be unknown", async () => {
  const doctor = service.someone("doctor");
  const patient = { resourceType: "Patient", birthDate: "1980-05" };
  const valid = [{ severity: "information", code: "informational" }];
  expect((await validate(doctor, patient)).body.issue).toMatchObject(valid);
  expect((await validate(doctor, patient, "Patient/")).body.issue).toMatchObject(valid);
  const parameter = [
    { name: "resource", resource: patient },
    { name: "profile", valueUri: "urn:a" },
  ];
  expect(
    (await validate(doctor, { resourceType: "Parameters", parameter }, "Patient/")).body.issue,
  ).toMatchObject([{ severity: "warning", code: "not-supported" }]);
});

test("a resource of another type than its address says, or of none that R4 has, is an error", async () => {
  const doctor = service.someone("doctor");
  expect((await validate(doctor, { resourceType: "Patient" }, "Observation/")).body.issue).toMatchObject([
    { severity: "error", code: "invalid" },
  ]);
  expect((await validate(doctor, { resourceType: "Nothing" })).body.issue).toMatchObject([
    { severity: "error", code: "not-supported", expression: ["Nothing.resourceType"] },
  ]);
});

test("validation is bounded: 50 issues, 64 levels, 4 MiB", async () => {
  const doctor = service.someone("doctor");
  const name = Array.from({ length: 5_000 }, () => ({ family: 5 }));
  expect((await validate(doctor, { resourceType: "Patient", name })).body.issue).toHaveLength(50);
  let deep: object = { resourceType: "Basic" };
  for (let level = 0; level < 25; level++) deep = { resourceType: "Basic", contained: [deep] };
  const { issue } = (await validate(doctor, deep)).body;
  expect(issue.some(({ diagnostics }) => diagnostics.endsWith("is nested too deep to be checked."))).toBe(
    true,
  );
  for (let level = 0; level < 10; level++) deep = { resourceType: "Basic", contained: [deep] };
  expect((await validate(doctor, deep)).status).toBe(400);
  const data = "A".repeat(4 * 1024 * 1024);
  expect((await validate(doctor, { resourceType: "Binary", contentType: "text/plain", data })).status).toBe(
    413,
  );
});

test("only who may import validates; nothing is stored; the event says the type and how many errors", async () => {
  expect(await validate(service.someone("patient"), allergy)).toMatchObject({ status: 403 });
  expect(await validate(service.someone("auditor"), allergy)).toMatchObject({ status: 403 });
  await service.events();
  await validate(service.someone("doctor"), allergy);
  expect(await service.events()).toMatchObject([
    {
      type: "medvault.records.fhir.validated.v1",
      subject: "fhir",
      data: {
        action: "fhir:import",
        patientIds: [],
        details: { resourceType: "AllergyIntolerance", errors: 1 },
      },
    },
  ]);
  const { rows } = await service.context.pool.query("select count(*)::int as kept from fhir_resources");
  expect(rows).toEqual([{ kept: 0 }]);
});
