import type { FhirImportView } from "@medvault/contracts";
import { actor, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Records, startRecords, visiblePart } from "../../test/harness.ts";

const V2 = "http://terminology.hl7.org/CodeSystem/v2-0203";
const SSN = "http://hl7.org/fhir/sid/us-ssn";
const typed = (code: string) => ({ type: { coding: [{ system: V2, code }] } });
const ADA = { name: [{ family: "Marsh", given: ["Ada"] }], birthDate: "1971-02-03", gender: "female" };
const TOM = { name: [{ family: "Hollow", given: ["Tomás"] }], birthDate: "2015-09-30", gender: "male" };

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service.close());

const treating = () => service.as({ ...actor("doctor"), purpose: "TREAT" });
let runs = 0;
const uuid = () => `urn:uuid:${crypto.randomUUID()}`;
/** A value that no other test has. */
const fresh = (prefix = "X") => `${prefix}${4_000 + ++runs}7`;
const bundle = (patient: object, fullUrl: string | null = uuid()) => ({
  resourceType: "Bundle",
  type: "transaction",
  entry: [
    { ...(fullUrl && { fullUrl }), resource: { resourceType: "Patient", ...patient } },
    ...(fullUrl
      ? [
          {
            fullUrl: uuid(),
            resource: {
              resourceType: "Condition",
              code: { text: "Asthma" },
              subject: { reference: fullUrl },
            },
          },
        ]
      : []),
  ],
});
const load = async (who: TestClient, body: unknown): Promise<FhirImportView> => {
  const answer = await who.post<FhirImportView>("/v1/fhir", body);
  expect(answer.status).toBe(200);
  return answer.body;
};
const mrn = (value: string) => ({ system: "https://clinic.example/mrn", value });

test.each([
  ["of a member by its type", (value: string) => ({ system: "urn:oid:2.999.5", value, ...typed("MB") })],
  ["of a subscriber by its type", (value: string) => ({ system: SSN, value, ...typed("SN") })],
  ["of a policy by its system", (value: string) => ({ system: "https://insurer.example/policy", value })],
  ["of an insurer", (value: string) => ({ system: "https://insurance.example/ids", value })],
  ["of an account", (value: string) => ({ system: "https://clinic.example/accountNumber", value })],
  ["of a visit", (value: string) => ({ system: "https://clinic.example/visit-number", value })],
  ["of an accession", (value: string) => ({ system: "urn:oid:2.999.6", value, ...typed("ACSN") })],
  [
    "of an account by a code alone",
    (value: string) => ({ system: "urn:oid:2.999.6", value, type: { coding: [{ code: "AN" }] } }),
  ],
  [
    "of a group by words",
    (value: string) => ({ system: "urn:oid:2.999.7", value, type: { text: "Group number" } }),
  ],
  [
    "of a payer by who assigned it",
    (value: string) => ({ system: "urn:oid:2.999.8", value, assigner: { display: "Acme Insurance" } }),
  ],
  [
    "of a family's card",
    (value: string) => ({ system: "http://ns.electronichealth.net.au/id/medicare-number", value }),
  ],
  ["without a system", (value: string) => ({ value, ...typed("MR") })],
  ["that is temporary", (value: string) => ({ ...mrn(value), use: "temp" })],
])("merging by a number %s is refused: two people are two charts", async (_what, of) => {
  const doctor = treating();
  const shared = of(fresh());
  // The second says nothing that contradicts the first.
  const first = await load(doctor, bundle({ ...ADA, identifier: [mrn(fresh()), shared] }));
  const second = await load(doctor, bundle({ identifier: [mrn(fresh()), shared], gender: "female" }));
  expect(second).toMatchObject({ patient: "created", existing: 0, stored: { patients: 1, records: 1 } });
  expect(second.patientId).not.toBe(first.patientId);
});

test.each([
  ..."999-99-9999 000-00-0000 123456789 123-45-6789 1234567890 unknown None n/a N.A. TEST 1111 A0000000 - x XXX-XX-1234 ___".split(
    " ",
  ),
  "not available",
  "078-05-1120",
])("the placeholder %j matches nobody", async (value) => {
  const doctor = treating();
  for (const identifier of [{ system: SSN, value, ...typed("SS") }, mrn(value)]) {
    const first = await load(doctor, bundle({ gender: "female", identifier: [identifier] }));
    const second = await load(doctor, bundle({ birthDate: "1980", identifier: [identifier] }));
    expect(second).toMatchObject({ patient: "created", possibleDuplicates: [] });
    expect(second.patientId).not.toBe(first.patientId);
  }
});

test.each([
  ["MR", "https://a.example/mrn", "AB 12-34 9", "ab12349"],
  ["NI", "urn:oid:2.999.1", "900 55-1234", "900551234"],
  ["PPN", "urn:oid:2.999.2", "c01x‑0001Z", "C01X0001z"],
  ["DL", "urn:OID:2.999.3", "D.123.456", "ｄ123456"],
  ["NNDEU", "urn:oid:2.999.4", "T22 000 129", "t22000129"],
  ["JHN", "https://ministry.example/jhn/", "987-65-43", "9876543"],
  [null, "https://clinic.example/patients", "mv-000-77", "MV00077"],
])("a %s number is the same however it is spelt", async (code, system, one, other) => {
  const doctor = treating();
  const tail = fresh();
  const type = code === null ? {} : typed(code);
  const first = await load(doctor, bundle({ ...ADA, identifier: [{ system, value: one + tail, ...type }] }));
  const again = { system: system.toLowerCase().replace(/\/$/, ""), value: `${other} ${tail.toLowerCase()}` };
  expect(await load(doctor, bundle({ ...ADA, identifier: [again] }))).toMatchObject({
    patientId: first.patientId,
    patient: "matched",
    possibleDuplicates: [],
    stored: { patients: 0 },
  });
});

test("equal numbers of two systems are two people's", async () => {
  const value = fresh("9");
  for (const [one, other] of [
    [mrn(value), { system: "https://other.example/mrn", value }],
    [
      { system: SSN, value, ...typed("SS") },
      { system: "https://fhir.nhs.uk/Id/nhs-number", value },
    ],
  ]) {
    const doctor = treating();
    const first = await load(doctor, bundle({ ...ADA, identifier: [one] }));
    const second = await load(doctor, bundle({ ...TOM, identifier: [other] }));
    expect(second).toMatchObject({ patient: "created", possibleDuplicates: [] });
    expect(second.patientId).not.toBe(first.patientId);
  }
});

test.each([
  ["birth date", { birthDate: "1981-02-03" }],
  ["year of birth", { birthDate: "1981" }],
  ["sex", { gender: "male" }],
  ["name", { name: [{ family: "Quill", given: ["Odalys"] }] }],
])(
  "another %s on the same number is doubt: a new chart, which a second load finds again",
  async (_what, other) => {
    const doctor = treating();
    const identifier = [mrn(fresh())];
    const first = await load(doctor, bundle({ ...ADA, identifier }));
    const doubtful = bundle({ ...ADA, ...other, identifier });
    const second = await load(doctor, doubtful);
    expect(second).toMatchObject({ patient: "created", possibleDuplicates: [first.patientId] });
    const existing = doubtful.entry.length;
    expect(await load(doctor, doubtful)).toMatchObject({
      patient: "matched",
      patientId: second.patientId,
      existing,
    });
    // And each of the two goes on to be found by what is said of it.
    const more = await load(doctor, bundle({ ...ADA, identifier, active: true }));
    expect(more).toMatchObject({ patientId: first.patientId, possibleDuplicates: [second.patientId] });
  },
);

test.each([
  ["a year of the birth date", { birthDate: "1971" }],
  ["no birth date", { birthDate: undefined }],
  ["an unknown sex", { gender: "unknown" }],
  ["a name in other letters", { name: [{ text: "Ада Марш" }] }],
  ["a married name", { name: [{ family: "Lund", given: ["Ada"] }] }],
  [
    "a name of which one part was",
    {
      name: [
        { use: "official", family: "Lund" },
        { use: "maiden", family: "MARSH" },
      ],
    },
  ],
  ["no name", { name: undefined }],
  ["a stand-in for a name", { name: [{ family: "UNKNOWN", given: ["Baby Girl"] }] }],
])("%s does not contradict", async (_what, other) => {
  const doctor = treating();
  const identifier = [mrn(fresh())];
  const first = await load(doctor, bundle({ ...ADA, identifier }));
  expect(await load(doctor, bundle({ ...ADA, ...other, identifier }))).toMatchObject({
    patientId: first.patientId,
    patient: "matched",
    possibleDuplicates: [],
  });
});

test("the same resource of the same server may be corrected in one thing, not in two", async () => {
  const doctor = treating();
  const url = `https://ehr-${++runs}.example/fhir/Patient/7`;
  const first = await load(doctor, bundle(ADA, url));
  const married = await load(
    doctor,
    bundle({ ...ADA, name: [{ family: "Lund", given: ["Bea"] }] }, `${url}/_history/2`),
  );
  expect(married).toMatchObject({ patientId: first.patientId, patient: "matched" });
  const second = await load(doctor, bundle(TOM, url));
  expect(second).toMatchObject({ patient: "created", possibleDuplicates: [first.patientId] });
});

test.each([
  ["of another person", { ...TOM, birthDate: undefined }],
  ["of who has another number", { ...ADA, identifier: [mrn("OTHER-77")] }],
])("a reused urn:uuid %s makes a new chart", async (_what, other) => {
  const doctor = treating();
  const url = uuid();
  const first = await load(doctor, bundle({ ...ADA, identifier: [mrn(fresh())] }, url));
  const second = await load(doctor, bundle(other, url));
  expect(second).toMatchObject({ patient: "created", possibleDuplicates: [first.patientId] });
});

test.each(["http://localhost:8080/fhir/Patient/1", "http://10.0.0.7/Patient/1", "http://fhir/Patient/1"])(
  "%s is on every machine another's",
  async (url) => {
    const doctor = treating();
    const first = await load(doctor, bundle({ name: ADA.name }, url));
    const second = await load(doctor, bundle({ birthDate: "1980" }, url));
    expect(second.patientId).not.toBe(first.patientId);
  },
);

test("people of whom nothing is said but an id are never one, and one bundle of theirs loads once", async () => {
  const doctor = treating();
  const bare = (text: string) => ({
    resourceType: "Bundle",
    type: "batch",
    entry: [
      { resource: { resourceType: "Patient", id: "1" } },
      { resource: { resourceType: "Basic", code: { text } } },
    ],
  });
  const first = await load(doctor, bare("one"));
  expect(await load(doctor, bare("one"))).toMatchObject({ patientId: first.patientId, existing: 2 });
  expect((await load(doctor, bare("two"))).patientId).not.toBe(first.patientId);
});

test("a known number opens nobody's chart to who may not write it, and tells nothing of it", async () => {
  const [doctor, stranger, other] = [treating(), treating(), treating()];
  const identifier = [mrn(fresh()), { system: SSN, value: fresh("9"), ...typed("SS") }];
  const first = await load(doctor, bundle({ ...ADA, identifier }));
  const known = await load(stranger, bundle({ ...TOM, identifier }));
  const unknown = await load(other, bundle({ ...TOM, identifier: [mrn(fresh())] }));
  const shown = ({ patientId: _, patients, entry: __, ...answer }: FhirImportView) => ({
    ...answer,
    patients: patients.length,
  });
  expect(shown(known)).toEqual(shown(unknown));
  expect(known.possibleDuplicates).toEqual([]);
  expect(visiblePart(await stranger.get(`/v1/patients/${first.patientId}`))).toMatchObject({ status: 404 });
});

test("twenty loads at once of a doubtful bundle make one chart", async () => {
  const doctor = treating();
  const identifier = [mrn(fresh())];
  await load(doctor, bundle({ ...ADA, identifier }));
  const doubtful = bundle({ ...TOM, identifier });
  const answers = await Promise.all(Array.from({ length: 20 }, () => load(doctor, doubtful)));
  expect(new Set(answers.map(({ patientId }) => patientId)).size).toBe(1);
  expect(answers.filter(({ patient }) => patient === "created")).toHaveLength(1);
});

test("of two charts that fit equally none is guessed: a third names both, and is found again", async () => {
  const doctor = treating();
  const [one, other] = [mrn(fresh()), { system: "https://other.example/mrn", value: fresh() }];
  const charts = [
    await load(doctor, bundle({ ...ADA, identifier: [one] })),
    await load(doctor, bundle({ ...ADA, identifier: [other] })),
  ].map(({ patientId }) => patientId);
  const both = bundle({ ...ADA, identifier: [one, other] });
  const third = await load(doctor, both);
  expect(third.patient).toBe("created");
  expect(third.possibleDuplicates.toSorted()).toEqual(charts.toSorted());
  expect(await load(doctor, both)).toMatchObject({ patientId: third.patientId, existing: both.entry.length });
});

test("a matched chart learns the numbers of the bundle, and is known by them from then on", async () => {
  const doctor = treating();
  const [old, next] = [mrn(fresh()), { system: "urn:oid:2.999.7.6", value: fresh("NEW-") }];
  const first = await load(doctor, bundle({ ...ADA, identifier: [old] }));
  await load(doctor, bundle({ ...ADA, identifier: [old, next] }));
  expect(await load(doctor, bundle({ ...ADA, identifier: [next] }))).toMatchObject({
    patientId: first.patientId,
  });
});

test("two Patients of one bundle that are one person are one chart, and what both say is kept", async () => {
  const doctor = treating();
  const identifier = [mrn(fresh())];
  const [a, b] = [uuid(), uuid()];
  const entry = [
    { fullUrl: a, resource: { resourceType: "Patient", ...ADA, identifier } },
    {
      fullUrl: b,
      resource: { resourceType: "Patient", ...ADA, identifier, maritalStatus: { text: "widowed" } },
    },
    {
      fullUrl: uuid(),
      resource: { resourceType: "Condition", code: { text: "Asthma" }, subject: { reference: b } },
    },
  ];
  const body = { resourceType: "Bundle", type: "collection", entry };
  const first = await load(doctor, body);
  expect(first).toMatchObject({ stored: { patients: 1, records: 1 }, kept: { Patient: 1 } });
  expect(first.patients).toHaveLength(1);
  expect(await load(doctor, body)).toMatchObject({ patientId: first.patientId, existing: 3 });
});

test("of two Patients of one bundle with one number, who contradict each other, the chart is whose it fits", async () => {
  const doctor = treating();
  const identifier = [mrn(fresh())];
  const chart = await load(doctor, bundle({ ...ADA, identifier }));
  const entry = [
    {
      ...TOM,
      birthDate: undefined,
      gender: undefined,
      identifier,
      name: [{ family: "Marsh", given: ["Tom"] }],
    },
    { ...ADA, identifier },
  ].map((patient) => ({ fullUrl: uuid(), resource: { resourceType: "Patient", ...patient } }));
  const twins = entry.map(({ resource, ...one }, at) => ({
    ...one,
    resource: { ...resource, gender: at === 0 ? "male" : "female" },
  }));
  const body = { resourceType: "Bundle", type: "collection", entry: twins };
  const answer = await load(doctor, body);
  expect(answer.patients).toEqual([
    { patientId: expect.any(String), patient: "created" },
    { patientId: chart.patientId, patient: "matched" },
  ]);
  expect(answer.possibleDuplicates).toEqual([chart.patientId]);
  const again = await load(doctor, body);
  expect(again.patients.map(({ patientId }) => patientId)).toEqual(
    answer.patients.map(({ patientId }) => patientId),
  );
});

test("of charts that were merged into one none is in doubt, and the answer names the surviving one", async () => {
  const doctor = treating();
  const [one, other] = [mrn(fresh()), { system: "https://other.example/mrn", value: fresh() }];
  const into = (await load(doctor, bundle({ ...ADA, identifier: [one] }))).patientId;
  const from = (await load(doctor, bundle({ ...ADA, identifier: [other] }))).patientId;
  expect((await doctor.post(`/v1/patients/${into}/merge`, { from })).status).toBe(200);
  for (const identifier of [[one, other], [other]]) {
    expect(await load(doctor, bundle({ ...ADA, identifier, active: true }))).toMatchObject({
      patientId: into,
      patient: "matched",
      possibleDuplicates: [],
    });
  }
});
