import type { FhirImportView } from "@medvault/contracts";
import { actor, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Records, startRecords, visiblePart } from "../../test/harness.ts";

type Resource = Record<string, unknown> & { resourceType: string };
type Bundle = { entry: { fullUrl: string; resource: Resource }[] };
const TYPES = ["transaction", "batch", "collection", "searchset", "document"];
const UNMASKED = "?unmask=nationalId,phone,email,address";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service.close());

const load = (who: TestClient, bundle: unknown) => who.post<FhirImportView>("/v1/fhir", bundle);
const treating = () => service.as({ ...actor("doctor"), purpose: "TREAT" });
const exported = async (who: TestClient, id: string | undefined) =>
  (await who.get<Bundle>(`/v1/fhir/Patient/${id}/$everything${UNMASKED}`)).body.entry;

let runs = 0;
const person = (n: number, id: string, birthDate: string): Resource => ({
  resourceType: "Patient",
  id,
  identifier: [{ system: "https://clinic.example/mrn", value: `M-${n}-${id}` }],
  name: [{ family: `Family${id}`, given: [`Given${id}`] }],
  birthDate,
});
const potassium = (subject: string, value: number): Resource => ({
  resourceType: "Observation",
  status: "final",
  code: { text: "Potassium" },
  effectiveDateTime: "2024-05-06T07:08:09Z",
  valueQuantity: { value, unit: "mmol/L" },
  subject: { reference: subject },
});
/** Two people of one clinic, each with a result of theirs; some of it is about neither. */
function two(type: string, n = ++runs) {
  const url = (path: string) => `https://clinic-${n}.example/fhir/${path}`;
  const entry = [
    { fullUrl: url("Patient/a"), resource: person(n, "a", "1985-02-03") },
    { fullUrl: url("Patient/b"), resource: person(n, "b", "2015-09-30") },
    { fullUrl: url("Observation/1"), resource: potassium("Patient/a", 4.1) },
    { fullUrl: url("Observation/2"), resource: potassium(url("Patient/b/_history/2"), 3.2) },
    {
      fullUrl: url("Encounter/1"),
      resource: {
        resourceType: "Encounter",
        status: "finished",
        class: { code: "AMB" },
        subject: { reference: "Patient/b" },
        participant: [{ individual: { reference: "Practitioner/1" } }],
      },
    },
    {
      fullUrl: url("Practitioner/1"),
      resource: { resourceType: "Practitioner", name: [{ text: "Dr. Who" }] },
    },
    {
      fullUrl: url("RelatedPerson/1"),
      resource: {
        resourceType: "RelatedPerson",
        patient: { reference: "Patient/b" },
        relationship: [{ text: "mother" }],
      },
    },
    {
      fullUrl: url("Provenance/1"),
      resource: {
        resourceType: "Provenance",
        target: [{ reference: "Observation/1" }],
        recorded: "2024-05-06T07:08:09Z",
        agent: [{ who: { reference: "Practitioner/1" } }],
      },
    },
    {
      fullUrl: url("Group/1"),
      resource: {
        resourceType: "Group",
        type: "person",
        actual: true,
        member: [{ entity: { reference: "Patient/a" } }, { entity: { reference: "Patient/b" } }],
      },
    },
  ];
  return { resourceType: "Bundle", type, entry };
}

test.each(TYPES)("two people in one %s are two charts, each with what is theirs", async (type) => {
  const doctor = treating();
  const bundle = two(type);
  const answer = await load(doctor, bundle);
  expect(answer).toMatchObject({
    status: 200,
    body: { patient: "created", total: 9, stored: { patients: 2, records: 3 }, existing: 0 },
  });
  const { patients, patientId } = answer.body;
  expect(patients).toEqual([
    { patientId, patient: "created" },
    { patientId: expect.any(String), patient: "created" },
  ]);
  const [a, b] = [
    await exported(doctor, patients[0]?.patientId),
    await exported(doctor, patients[1]?.patientId),
  ];
  const typesOf = (of: Bundle["entry"]) => of.map(({ resource }) => resource.resourceType).sort();
  expect(typesOf(a)).toEqual(["Observation", "Patient", "Provenance"]);
  expect(typesOf(b)).toEqual(["Encounter", "Observation", "Patient", "Practitioner", "RelatedPerson"]);
  const sent = new Map(bundle.entry.map((entry) => [entry.fullUrl, entry.resource]));
  for (const { fullUrl, resource } of [...a, ...b]) expect(resource).toEqual(sent.get(fullUrl));
});

test("a second load of several people stores nothing, and more about one of them goes to that one", async () => {
  const doctor = treating();
  const bundle = two("transaction");
  const first = await load(doctor, bundle);
  const ids = first.body.patients.map(({ patientId }) => patientId);
  expect((await load(doctor, bundle)).body).toMatchObject({
    patients: ids.map((patientId) => ({ patientId, patient: "matched" })),
    stored: { patients: 0, records: 0 },
    existing: 9,
  });
  bundle.entry.push({
    fullUrl: bundle.entry[2]?.fullUrl.replace(/1$/, "3") ?? "",
    resource: potassium("Patient/b", 5),
  });
  const grown = await load(doctor, { ...bundle, entry: bundle.entry.slice(1) });
  expect(grown.body).toMatchObject({ patientId: ids[1], stored: { records: 1 } });
});

test("the import of several people is one event, which names them all", async () => {
  await service.events();
  const { body } = await load(treating(), two("batch"));
  const [event, ...more] = (await service.events()).filter(({ type }) => type.includes("fhir"));
  expect(more).toEqual([]);
  expect(event).toMatchObject({
    type: "medvault.records.fhir.imported.v1",
    data: {
      patientIds: body.patients.map(({ patientId }) => patientId),
      details: { created: 2, matched: 0, patients: 2, records: 3 },
    },
  });
});

test("one bad resource of one person stores nothing of the other", async () => {
  const doctor = treating();
  const bundle = two("transaction");
  (bundle.entry[3] as Bundle["entry"][0]).resource.effectiveDateTime = "never";
  expect(await load(doctor, bundle)).toMatchObject({
    status: 400,
    body: { errors: [{ path: "entry.3.resource.effectiveDateTime" }] },
  });
  expect((await doctor.get<{ items: unknown[] }>("/v1/patients")).body.items).toEqual([]);
});

test("whom the caller may not write is not matched, though another of the bundle is", async () => {
  const [one, other] = [treating(), treating()];
  const bundle = two("transaction");
  const first = await load(one, bundle);
  const [a, b] = first.body.patients.map(({ patientId }) => patientId);
  await one.put(`/v1/patients/${a}/care-team/${other.actor.id}`);
  const second = await load(other, bundle);
  expect(second.body.patients).toEqual([
    { patientId: a, patient: "matched" },
    { patientId: expect.any(String), patient: "created" },
  ]);
  expect(JSON.stringify(second.body)).not.toContain(b);
  expect(visiblePart(await other.get(`/v1/patients/${b}`))).toMatchObject({ status: 404 });
  expect(await exported(one, b)).toHaveLength(5);
});

test("a bundle cannot move a resource to another patient", async () => {
  const doctor = treating();
  const bundle = two("transaction");
  const first = await load(doctor, bundle);
  const [a, b] = first.body.patients.map(({ patientId }) => patientId);
  const moved = structuredClone(bundle);
  (moved.entry[2] as Bundle["entry"][0]).resource.subject = { reference: "Patient/b" };
  await load(doctor, moved);
  const results = (entries: Bundle["entry"]) =>
    entries
      .filter(({ fullUrl }) => fullUrl.endsWith("Observation/1"))
      .map(({ resource }) => resource.subject);
  expect(results(await exported(doctor, a))).toEqual([{ reference: "Patient/a" }]);
  // What is now said of the other is the other's; the first one's stays.
  expect(results(await exported(doctor, b))).toEqual([{ reference: "Patient/b" }]);
});

test("two servers' Patient/1 are two people, and each result goes to its own server's", async () => {
  const doctor = treating();
  const entry = ["one", "two"].flatMap((host) => [
    { fullUrl: `https://${host}.example/Patient/1`, resource: person(++runs, "1", "1970-01-01") },
    { fullUrl: `https://${host}.example/Observation/1`, resource: potassium("Patient/1", runs) },
  ]);
  const { body } = await load(doctor, { resourceType: "Bundle", type: "collection", entry });
  expect(body).toMatchObject({ stored: { patients: 2, records: 2 } });
  for (const [at, { patientId }] of body.patients.entries()) {
    const [, result] = await exported(doctor, patientId);
    expect(result?.fullUrl).toBe(entry[2 * at + 1]?.fullUrl);
  }
});

test("two of the same id in one bundle have neither's results guessed", async () => {
  const doctor = treating();
  const entry = [
    person(++runs, "1", "1970-01-01"),
    person(++runs, "1", "1980-01-01"),
    potassium("Patient/1", 4),
  ];
  const { body } = await load(doctor, {
    resourceType: "Bundle",
    type: "batch",
    entry: entry.map((resource) => ({ resource })),
  });
  expect(body).toMatchObject({ stored: { patients: 2, records: 0 }, kept: { Observation: 1 } });
});

test("what names a subject that nobody finds is kept, and says that it is in nobody's chart", async () => {
  const theirs = (await load(treating(), two("batch"))).body.patients[0]?.patientId;
  const entry = [
    potassium("Patient/typo", 4),
    potassium(`urn:uuid:${crypto.randomUUID()}`, 5),
    potassium(`Patient/${theirs}`, 6),
    { resourceType: "Practitioner", name: [{ text: "Io Brandt" }] },
    { ...potassium("Patient/typo", 7), status: "no such status" },
  ].map((resource) => ({ resource }));
  for (const resources of [entry, [...two("batch").entry, ...entry]]) {
    const first = resources.length - entry.length;
    const { body } = await load(treating(), { resourceType: "Bundle", type: "batch", entry: resources });
    expect(body).toMatchObject({ unattached: 4, failed: 0 });
    const said = body.entry
      .slice(first)
      .map(({ response }) => [
        response.status,
        response.outcome.issue.map(({ severity, code }) => `${severity} ${code}`),
      ]);
    const lost = ["201 Created", ["warning not-found"]];
    expect(said).toEqual([
      lost,
      lost,
      lost,
      ["201 Created", ["information informational"]],
      ["201 Created", ["warning structure", "warning not-found"]],
    ]);
    // Nobody learns from it that the chart exists elsewhere.
    expect(body.entry[first + 2]?.response.outcome).toEqual(body.entry[first]?.response.outcome);
    expect(body.entry[first + 3]?.response.outcome.issue[0]?.diagnostics).toBe("Kept, in nobody's chart.");
  }
});

test("twenty loads at once of one bundle of two people make two charts", async () => {
  const doctor = treating();
  const bundle = two("transaction");
  const answers = await Promise.all(Array.from({ length: 20 }, () => load(doctor, bundle)));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  expect(new Set(answers.flatMap(({ body }) => body.patients.map(({ patientId }) => patientId))).size).toBe(
    2,
  );
});
