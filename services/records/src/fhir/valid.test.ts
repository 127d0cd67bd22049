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
  const nobody = bundleOf({ ...patient, birthDate: "2018-02-30" }, good);
  await expect(plan({ ...nobody, type: "batch" })).rejects.toMatchObject({
    errors: [{ path: "entry.0.resource.birthDate" }],
  });
});
