import { existsSync, readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { InvalidInput } from "@medvault/contracts";
import { expect, test } from "vitest";
import { bundleOf, ours, patient, plan } from "../../test/plan.ts";
import { MAX_DEPTH, MAX_ENTRIES } from "./bundle.ts";

const ROOT = new URL("../../../../", import.meta.url);
const FIXTURE = new URL("e2e/fixtures/fhir/marisela-okonkwo-reyes.json", ROOT);
const SYNTHEA = new URL("../shared/data/fhir/synthea_r4/", ROOT);

const fixture = () =>
  JSON.parse(readFileSync(FIXTURE, "utf8")) as { entry: { fullUrl: string; resource: never }[] };
const concept = { text: "Something" };

async function pathsOf(body: unknown): Promise<string[]> {
  try {
    await plan(body);
    return [];
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    return error.errors?.map((fault) => fault.path) ?? [];
  }
}

test("every mapped type of a bundle becomes what it is, and the rest is kept", async () => {
  const made = await plan(fixture());
  expect(made.patient?.mapped).toMatchObject({
    givenName: "Marisela June",
    familyName: "Okonkwo-Reyes",
    birthDate: "1968-11-02",
    sex: "female",
    nationalId: "999-17-4410",
    phone: "555-014-7731",
    email: "marisela.okonkwo@mail.example",
    address: "14 Lantern Row, Harrow Falls, MA 01999, US",
  });
  expect(made.patient?.patientNames.filter(({ is }) => is === "identifier")).toHaveLength(6);
  expect(made.records.map((r) => r.mapped.type).sort()).toEqual(
    "allergy diagnosis diagnosis imaging immunization lab lab lab lab lab note note procedure".split(" "),
  );
  expect(made.prescriptions.map((p) => p.mapped)).toMatchObject([
    {
      medication: "24 HR Metformin hydrochloride 500 MG Extended Release Oral Tablet",
      dosage: "Take one tablet with the evening meal",
      frequency: "1 every 1 d",
      startDate: "2021-04-20",
      refills: 1,
      status: "active",
    },
    { medication: "Lisinopril 10 MG Oral Tablet", refills: 2 },
  ]);
  expect(made.claims.map((c) => c.mapped)).toMatchObject([
    {
      amount: 12_916,
      currency: "USD",
      diagnosisCode: "44054006",
      diagnosis: "Diabetes mellitus type 2 (disorder)",
      treatment: "Encounter for symptom",
      status: "submitted",
      createdAt: new Date("2021-04-20T14:30:00.000Z"),
    },
  ]);
  expect(made.kept.map((k) => k.original.resource.resourceType).sort()).toEqual([
    "CarePlan",
    "Organization",
    "Practitioner",
  ]);
});

test("times with an offset become UTC, and measured values are kept to the letter", async () => {
  const { records } = await plan(fixture());
  const pressure = records.find((r) => r.mapped.code === "85354-9")?.mapped;
  expect(pressure).toMatchObject({
    occurredAt: "2021-03-09T14:22:00.000Z",
    body: "Diastolic Blood Pressure: 86 mm[Hg]\nSystolic Blood Pressure: 138 mm[Hg]",
  });
  const sugar = records.find((r) => r.mapped.code === "4548-4")?.mapped;
  expect(sugar?.body).toBe("Value: 7.4 %\nRepeat in 3 months; aim <7.0 & diet first.");
  const panel = records.find((r) => r.mapped.code === "51990-0")?.mapped;
  expect(panel?.body).toContain("Hemoglobin A1c/Hemoglobin.total in Blood: 7.4 %");
});

test("what says that it is not so is kept, and becomes no record", async () => {
  const made = await plan(
    bundleOf(
      patient,
      { resourceType: "Observation", status: "entered-in-error", subject: ours, code: concept },
      { resourceType: "Immunization", status: "not-done", patient: ours, vaccineCode: concept },
      {
        resourceType: "Condition",
        verificationStatus: { coding: [{ code: "refuted" }] },
        subject: ours,
        code: concept,
      },
      { resourceType: "Claim", status: "cancelled", patient: ours, total: { value: 1, currency: "USD" } },
    ),
  );
  expect(made.records).toEqual([]);
  expect(made.kept).toHaveLength(4);
});

test("a resource about another person, or about nobody, never becomes this patient's", async () => {
  const made = await plan(
    bundleOf(
      patient,
      { resourceType: "Condition", subject: { reference: "Patient/other" }, code: concept },
      { resourceType: "Condition", subject: { reference: "urn:uuid:gone" }, code: concept },
      { resourceType: "Condition", code: concept },
    ),
  );
  expect(made.records).toEqual([]);
  expect(made.kept).toHaveLength(3);
});

test("a medication is found by reference inside the bundle or the resource", async () => {
  const made = await plan(
    bundleOf(
      patient,
      { resourceType: "Medication", id: "m", code: { text: "Warfarin 5 MG" } },
      {
        resourceType: "MedicationRequest",
        subject: ours,
        medicationReference: { reference: "Medication/m" },
      },
      {
        resourceType: "MedicationRequest",
        subject: ours,
        medicationReference: { reference: "#c" },
        contained: [{ resourceType: "Medication", id: "c", code: { text: "Digoxin" } }],
      },
      {
        resourceType: "MedicationRequest",
        subject: ours,
        medicationReference: { reference: "Medication/away" },
      },
    ),
  );
  expect(made.prescriptions.map((p) => p.mapped.medication)).toEqual(["Warfarin 5 MG", "Digoxin"]);
  expect(made.kept).toHaveLength(2);
});

test("a bundle without a patient is kept whole", async () => {
  const made = await plan(bundleOf({ resourceType: "Organization", name: "Harbour Clinic" }));
  expect(made).toMatchObject({ patient: null, records: [], kept: [{ original: { fullUrl: null } }] });
});

test("an identifier that several resources share names none of them", async () => {
  const group = { system: "https://claims.example/group", value: "99999999999" };
  const made = await plan(
    bundleOf(
      patient,
      { resourceType: "ExplanationOfBenefit", id: "1", identifier: [group] },
      { resourceType: "ExplanationOfBenefit", id: "2", identifier: [group] },
    ),
  );
  const names = made.kept.flatMap((k) => k.names);
  expect(new Set(names).size).toBe(2);
});

test("two equal resources without any name are two", async () => {
  const note = { resourceType: "Communication", status: "completed" };
  const made = await plan(bundleOf(note, note));
  expect(new Set(made.kept.flatMap((k) => k.names)).size).toBe(2);
});

test.each([
  ["no bundle", { resourceType: "Patient" }, ["resourceType", "type"]],
  ["nothing", null, [""]],
  ["a history", { resourceType: "Bundle", type: "history" }, ["type"]],
  [
    "an entry without a resource",
    { resourceType: "Bundle", type: "transaction", entry: [{}] },
    ["entry.0.resource"],
  ],
  [
    "a thousand and one patients",
    bundleOf(...Array.from({ length: 1_001 }, () => patient)),
    ["entry.1000.resource"],
  ],
  [
    "a date that is none",
    bundleOf(patient, {
      resourceType: "Condition",
      subject: ours,
      code: concept,
      onsetDateTime: "2018-02-30",
    }),
    ["entry.1.resource.onsetDateTime"],
  ],
  [
    "a code of the wrong shape",
    bundleOf(patient, { resourceType: "Condition", subject: ours, code: "asthma" }),
    ["entry.1.resource.code"],
  ],
  [
    "a patient of a thousand identifiers",
    bundleOf({
      ...patient,
      identifier: Array.from({ length: 1_000 }, (_, i) => ({ system: "s", value: `${i}` })),
    }),
    ["entry.0.resource.identifier"],
  ],
  ["half a character", bundleOf({ ...patient, gender: "\ud800" }), ["entry.0.resource.gender"]],
  [
    "a read",
    { ...bundleOf(), entry: [{ request: { method: "GET", url: "Patient/1" } }] },
    ["entry.0.request.method"],
  ],
])("a bundle with %s is refused with its path", async (_what, body, paths) => {
  expect(await pathsOf(body)).toEqual(paths);
});

test("one full URL names one entry", async () => {
  const entry = { fullUrl: "urn:uuid:1", resource: { resourceType: "Basic" } };
  expect(await pathsOf({ resourceType: "Bundle", type: "batch", entry: [entry, entry] })).toEqual([
    "entry.1.fullUrl",
  ]);
});

test("depth and number of entries are bounded", async () => {
  let deep: unknown = "x";
  for (let i = 0; i < 100_000; i++) deep = [deep];
  expect(await pathsOf(bundleOf({ resourceType: "Basic", deep }))).toHaveLength(1);
  expect(MAX_DEPTH).toBe(32);
  const entry = { resource: { resourceType: "Basic" } };
  const many = {
    resourceType: "Bundle",
    type: "batch",
    entry: Array.from({ length: MAX_ENTRIES + 1 }, () => entry),
  };
  expect(await pathsOf(many)).toEqual(["entry"]);
});

test("no fault shows a value that was sent", async () => {
  const body = bundleOf({ ...patient, birthDate: "Secretstreet 5", gender: "Quetzalcoatl" });
  const error: unknown = await plan(body).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(InvalidInput);
  expect(JSON.stringify(error)).not.toMatch(/Secretstreet|Quetzalcoatl/);
});

test.runIf(existsSync(SYNTHEA))("the 15 Synthea bundles map whole", async () => {
  const totals = { bundles: 0, entries: 0, records: 0, prescriptions: 0, claims: 0, kept: 0, patients: 0 };
  for (const file of readdirSync(SYNTHEA)) {
    const made = await plan(
      JSON.parse(gunzipSync(readFileSync(new URL(encodeURIComponent(file), SYNTHEA))).toString("utf8")),
    );
    totals.bundles += 1;
    totals.entries += made.total;
    totals.patients += made.patient ? 1 : 0;
    totals.records += made.records.length;
    totals.prescriptions += made.prescriptions.length;
    totals.claims += made.claims.length;
    totals.kept += made.kept.length;
  }
  // 13 patients; 235 Encounters, 74 Conditions, 1,525 Observations, 170 Procedures, 166
  // Immunizations, 98 reports, 8 allergies.
  expect(totals).toEqual({
    bundles: 15,
    entries: 2986,
    patients: 13,
    records: 2276,
    prescriptions: 51,
    claims: 286,
    kept: 360,
  });
});
