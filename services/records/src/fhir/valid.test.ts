import { expect, test } from "vitest";
import { bundleOf, ours, patient, plan } from "../../test/plan.ts";

const absent = { extension: [{ url: "http://hl7.org/fhir/StructureDefinition/data-absent-reason" }] };

test("null holds the place of a primitive that has only extensions, and refuses nothing", async () => {
  const made = await plan(
    bundleOf(
      {
        ...patient,
        name: [{ family: "Absent", given: [null, "Ada"], _given: [absent, null] }],
        address: [{ line: [null, "2 Present Road"], _line: [absent, null], city: "Newtown" }],
      },
      {
        resourceType: "AllergyIntolerance",
        patient: ours,
        code: { text: "Latex" },
        category: [null, "environment"],
        _category: [absent, null],
      },
    ),
  );
  expect(made.patient?.mapped).toMatchObject({
    givenName: "Ada",
    familyName: "Absent",
    address: "2 Present Road, Newtown",
  });
  expect(made.records.map((r) => r.mapped.body)).toEqual(["Category: environment"]);
  const nameless = await plan(bundleOf({ ...patient, name: [{ family: "Absent", given: [null] }] }));
  expect(nameless.patient?.mapped).toMatchObject({ givenName: "", familyName: "Absent" });
});

test.each([
  ["no currency", { value: 100 }],
  ["no value", { currency: "USD" }],
  ["neither", {}],
])("a claim whose total has %s is kept as it came", async (_what, total) => {
  const claim = { resourceType: "Claim", status: "active", patient: ours, total };
  const made = await plan(bundleOf(patient, claim));
  expect(made.claims).toEqual([]);
  expect(made.kept.map((k) => k.original.resource)).toEqual([claim]);
});

test("more refills than a prescription of ours holds, and times finer or later, refuse nothing", async () => {
  const made = await plan(
    bundleOf(patient, {
      resourceType: "MedicationRequest",
      status: "active",
      subject: ours,
      medicationCodeableConcept: { text: "Aspirin" },
      authoredOn: "2024-01-02T03:04:05.123456789012Z",
      dispenseRequest: {
        numberOfRepeatsAllowed: 1_000,
        validityPeriod: { end: "9999-12-31T23:59:59-05:00" },
      },
    }),
  );
  expect(made.prescriptions.map((p) => p.mapped)).toMatchObject([
    { refills: null, startDate: "2024-01-02", endDate: "9999-12-31" },
  ]);
});

test("a bad element refuses a transaction by its path, and in a batch its resource is kept as it came", async () => {
  const bad = {
    resourceType: "Condition",
    subject: ours,
    code: { text: "Asthma" },
    onsetDateTime: "2018-02-30",
  };
  const good = { resourceType: "Condition", subject: ours, code: { text: "Gout" } };
  await expect(plan(bundleOf(patient, bad, good))).rejects.toMatchObject({
    errors: [{ path: "entry.1.resource.onsetDateTime" }],
  });
  const made = await plan({ ...bundleOf(patient, bad, good), type: "batch" });
  expect(made.records.map((r) => r.mapped.title)).toEqual(["Gout"]);
  expect(made.kept.map((k) => k.original.resource)).toEqual([bad]);
  expect(made.kept.map((k) => k.fault?.path)).toEqual(["entry.1.resource.onsetDateTime"]);
});

test("a bad element of a Patient refuses a transaction, and in a batch they are read without it", async () => {
  const bad = { birthDate: "31/01/1980", identifier: [{ system: "urn:m", value: 5 }], gender: "f" };
  const bundle = bundleOf(
    { ...patient, ...bad },
    { resourceType: "Condition", subject: ours, code: { text: "Gout" } },
  );
  await expect(plan(bundle)).rejects.toMatchObject({
    errors: [
      { path: "entry.0.resource.birthDate", message: "must be a date: 1980, 1980-05 or 1980-05-12" },
      { path: "entry.0.resource.identifier.0.value", message: "must be text" },
      { path: "entry.0.resource.gender", message: "must be one of male, female, other, unknown" },
    ],
  });
  const made = await plan({ ...bundle, type: "batch" });
  expect(made.patient?.mapped).toMatchObject({
    familyName: "Marsh",
    birthDate: null,
    sex: "unknown",
    nationalId: null,
  });
  expect(made.patient?.original.resource).toEqual({ ...patient, ...bad });
  expect(made.patient?.fault?.path).toBe("entry.0.resource.birthDate");
  expect(made.records).toHaveLength(1);
});

test.each([
  [
    "an element that is not mapped",
    { resourceType: "Observation", subject: ours, category: { text: "x" } },
    "category",
  ],
  [
    "a resource that is only kept",
    { resourceType: "Device", patient: ours, expirationDate: "31/01/2030" },
    "expirationDate",
  ],
  [
    "a code that is none of its set",
    { resourceType: "Observation", subject: ours, status: "done" },
    "status",
  ],
])("%s refuses a transaction where it cannot be read, and no batch", async (_what, resource, element) => {
  await expect(plan(bundleOf(patient, resource))).rejects.toMatchObject({
    errors: [{ path: `entry.1.resource.${element}` }],
  });
  const made = await plan({ ...bundleOf(patient, resource), type: "batch" });
  expect(made.kept.map(({ fault, original }) => [fault?.path, original.resource])).toEqual([
    [`entry.1.resource.${element}`, resource],
  ]);
});

test("what is missing, unknown or not quite as R4 wants it refuses nothing", async () => {
  const made = await plan(
    bundleOf(
      { ...patient, id: "p", race: "unknown to R4", active: null, contact: [{}] },
      { resourceType: "Claim", status: "active", patient: ours, total: { value: 1, currency: "EUR" } },
      { resourceType: "Observation", subject: ours, code: { text: "Sodium" }, issued: "2024-01-02" },
      { resourceType: "AllergyIntolerance", patient: ours, code: { text: "Latex" } },
      { resourceType: "Condition", subject: ours, code: { text: "Gout" }, clinicalStatus: { text: "over" } },
      { resourceType: "FutureResource", id: "under_score", subject: ours },
    ),
  );
  expect([made.claims.length, made.records.length, made.kept.length]).toEqual([1, 3, 1]);
});
