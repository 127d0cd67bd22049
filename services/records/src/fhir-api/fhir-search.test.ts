import { newId } from "@medvault/contracts";
import { actor, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { givenPatient, nobody, type Records, startRecords } from "../../test/harness.ts";
import { secondOpinion } from "../../test/r4-validator.ts";

type Resource = { resourceType: string; id: string; [field: string]: unknown };
interface Page {
  total?: number;
  link: { relation: string; url: string }[];
  entry?: { fullUrl: string; resource: Resource; search: { mode: string } }[];
}

let service: Records;
let doctor: TestClient;
beforeAll(async () => {
  service = await startRecords();
  doctor = service.someone("doctor");
});
afterAll(() => service?.close());

const FORM = { "content-type": "application/x-www-form-urlencoded" };
const post = (who: TestClient, type: string, form: string, headers = {}) =>
  who.post<Page>(`/v1/fhir/${type}/_search`, form, { headers: { ...FORM, ...headers } });
const get = (who: TestClient, query: string, headers = {}) => who.get<Page>(`/v1/fhir/${query}`, { headers });
const nextOf = ({ link }: Page) => link.find(({ relation }) => relation === "next")?.url;
const found = ({ entry = [] }: Page) => entry.filter(({ search }) => search.mode === "match");
const codesIn = (page: Page) =>
  found(page).map(({ resource }) => (resource.code as { coding: { code: string }[] }).coding[0]?.code);

async function pagesOf(who: TestClient, query: string): Promise<Page[]> {
  const pages: Page[] = [];
  for (let url: string | undefined = `/v1/fhir/${query}`; url; url = nextOf(pages.at(-1) as Page)) {
    const { status, body } = await who.get<Page>(url);
    expect(status, url).toBe(200);
    pages.push(body);
  }
  return pages;
}

const observation = (code: string, day: string, fields = {}) => ({
  resourceType: "Observation",
  status: "final",
  category: [{ coding: [{ system: "urn:category", code: "vital-signs" }] }],
  code: { coding: [{ system: "http://loinc.org", code }], text: `Measurement ${code}` },
  effectiveDateTime: day,
  valueQuantity: { value: 71.5 },
  ...fields,
});

async function givenChart(resources: readonly object[], patient: object = {}) {
  const self = `urn:uuid:${newId()}`;
  const person = {
    resourceType: "Patient",
    name: [{ family: "Searched" }],
    birthDate: "1980-05-06",
    ...patient,
  };
  const entry = [
    { fullUrl: self, resource: person },
    ...resources.map((resource) => ({
      fullUrl: `urn:uuid:${newId()}`,
      resource: { subject: { reference: self }, ...resource },
    })),
  ];
  const made = await doctor.post<{ patientId: string }>("/v1/fhir", {
    resourceType: "Bundle",
    type: "transaction",
    entry,
  });
  expect(made.status).toBe(200);
  return made.body.patientId;
}

const CHART = [
  observation("8867-4", "2024-05-06"),
  observation("8310-5", "2024-06"),
  observation("8867-4", "2023", { status: "entered-in-error" }),
  observation("29463-7", "2025-01-01T10:00:00Z", { category: [{ coding: [{ code: "exam" }] }] }),
  { resourceType: "Condition", code: { coding: [{ system: "http://snomed.info/sct", code: "38341003" }] } },
  { resourceType: "CarePlan", status: "active", intent: "plan" },
];

test("a chart is searched by type, code, category, status and date, in whatever table a resource lies", async () => {
  const id = await givenChart(CHART);
  const cases: [string, (string | undefined)[]][] = [
    [`patient=${id}`, ["8867-4", "8310-5", "29463-7", "8867-4"]],
    [`subject=Patient/${id}&code=8867-4`, ["8867-4", "8867-4"]],
    [`patient=${id}&code=http://loinc.org|8310-5`, ["8310-5"]],
    [`patient=${id}&code=http://snomed.info/sct|8310-5`, []],
    [`patient=${id}&code=8310-5,29463-7`, ["8310-5", "29463-7"]],
    [`patient=${id}&category=exam`, ["29463-7"]],
    [`patient=${id}&status=entered-in-error`, ["8867-4"]],
    [`patient=${id}&date=2024`, ["8867-4", "8310-5"]],
    [`patient=${id}&date=ge2024-06&date=lt2025`, ["8310-5"]],
    [`patient=${id}&date=gt2025-01-01T09:00:00Z`, ["29463-7"]],
    [`patient=${id}&_lastUpdated=lt2020`, []],
    [`patient=${id}&_lastUpdated=ge2020&code=8310-5`, ["8310-5"]],
    [`patient=${id}&status=`, ["8867-4", "8310-5", "29463-7", "8867-4"]],
  ];
  for (const [query, codes] of cases) {
    const byGet = await get(doctor, `Observation?${query}`);
    expect(byGet.status, query).toBe(200);
    expect(codesIn(byGet.body), query).toEqual(codes);
    expect(byGet.body.total, query).toBe(codes.length);
    expect((await post(doctor, "Observation", query)).body.entry, query).toEqual(byGet.body.entry);
  }
  for (const type of ["Condition", "CarePlan"]) {
    expect(found((await get(doctor, `${type}?patient=${id}`)).body), type).toMatchObject([
      { resource: { resourceType: type, subject: { reference: `Patient/${id}` } } },
    ]);
  }
  expect((await get(doctor, `Coverage?patient=${id}`)).body).toMatchObject({ total: 0 });
  expect((await get(doctor, `Coverage?patient=${id}`)).body.entry).toBeUndefined();
});

test("a page has no more than was asked for, and its links lead through all of them", async () => {
  const id = await givenChart(CHART);
  const all = found((await get(doctor, `Observation?patient=${id}`)).body);
  for (const count of [1, 2, 3, 4]) {
    const pages = await pagesOf(doctor, `Observation?patient=${id}&_count=${count}`);
    expect(pages.flatMap(found).map(({ resource }) => resource.id)).toEqual(
      all.map(({ resource }) => resource.id),
    );
    expect(pages).toHaveLength(Math.ceil(4 / count));
  }
  expect((await get(doctor, `Observation?patient=${id}&_count=1000000`)).body.entry).toEqual(all);
});

test("without a patient, a search finds what the caller reaches, in pages; a patient finds their own", async () => {
  const one = await givenChart(CHART);
  const other = await givenChart(CHART);
  const reached = await pagesOf(doctor, "Condition?_count=3");
  const patients = new Set(
    reached.flatMap(found).map(({ resource }) => (resource.subject as { reference: string }).reference),
  );
  expect(patients).toContain(`Patient/${one}`);
  expect(patients).toContain(`Patient/${other}`);
  const userId = newId();
  service.auth.standing.set(userId, "patient");
  await service.someone("admin").patch(`/v1/patients/${one}`, { userId });
  const patient = service.as(actor("patient", { id: userId }));
  const own = (await pagesOf(patient, "Condition")).flatMap(found);
  expect(own).toMatchObject([{ resource: { subject: { reference: `Patient/${one}` } } }]);
  expect((await pagesOf(patient, "Patient")).flatMap(found)).toMatchObject([{ resource: { id: one } }]);
  expect((await pagesOf(service.someone("doctor"), "Condition")).flatMap(found)).toEqual([]);
  const admin = await get(service.someone("admin"), "Patient?_count=1");
  expect(found(admin.body)).toHaveLength(1);
  expect(nextOf(admin.body)).toBeDefined();
});

test("_include brings the patient once, and _id finds rows by our ids", async () => {
  const id = await givenChart(CHART);
  const { body } = await get(doctor, `Observation?patient=${id}&_include=Observation:patient`);
  expect(body.entry?.map(({ search }) => search.mode)).toEqual([
    "match",
    "match",
    "match",
    "match",
    "include",
  ]);
  expect(body.entry?.at(-1)?.resource).toMatchObject({ resourceType: "Patient", id });
  expect(body.total).toBe(4);
  const [first, second] = found(body).map(({ resource }) => resource.id);
  const byId = await get(doctor, `Observation?_id=${first},${second},${nobody()},theirs`);
  expect(found(byId.body).map(({ resource }) => resource.id)).toEqual([first, second]);
  expect((await get(doctor, `Condition?_id=${first}`)).body.total).toBe(0);
  expect((await get(service.someone("doctor"), `Observation?_id=${first}`)).body.total).toBe(0);
});

test("a person is found by name, birth date and identifier, by POST", async () => {
  const mrn = `MRN ${newId().slice(-12)}`;
  const id = await givenChart([], {
    name: [{ family: "Łukasiewicz-Straße", given: ["Ágata", "Zofia"] }],
    birthDate: "1933-02-03",
    gender: "female",
    identifier: [{ system: "urn:mrn", value: mrn }],
    telecom: [
      { system: "phone", value: "+48 22 555 01 99" },
      { system: "email", value: "agata@example.org" },
    ],
  });
  const cases: [string, boolean][] = [
    ["family=Łukas", true],
    ["given=agata", true],
    ["given=zof", true],
    ["name=Straße", true],
    ["name=lukas str", true],
    ["name=kasiewicz", false],
    ["given=Łukas", false],
    ["birthdate=1933-02-03&family=Łukas", true],
    ["birthdate=1933&given=Zofia", true],
    ["birthdate=1934&given=Zofia", false],
    ["birthdate=ge1930&birthdate=lt1940&given=Zofia", true],
    ["given=Zofia&gender=female", true],
    ["phone=%2B48 (22) 555-01.99", true],
    ["phone=+48225550199&family=Łukas", true],
    ["phone=48225550198&family=Łukas", false],
    ["email=AGATA@example.org&given=Zofia", true],
    ["email=agata@example.com&given=Zofia", false],
    ["given=Zofia&gender=male", false],
    [`identifier=${encodeURIComponent(`urn:mrn|${mrn}`)}`, true],
    [`identifier=${encodeURIComponent(mrn.replaceAll(" ", "").toLowerCase())}`, true],
    [`identifier=${encodeURIComponent(`urn:other|${mrn}`)}`, false],
    [`identifier=${encodeURIComponent(`urn:mrn|${mrn}`)}&given=Zofia`, true],
    [`identifier=${encodeURIComponent(`urn:mrn|${mrn}`)}&given=Anna`, false],
  ];
  for (const [form, isFound] of cases) {
    const { status, body } = await post(doctor, "Patient", form);
    expect(status, form).toBe(200);
    expect(
      found(body).map(({ resource }) => resource.id),
      form,
    ).toEqual(isFound ? [id] : []);
    expect(JSON.stringify(body), form).not.toContain(mrn);
    expect(found((await post(service.someone("doctor"), "Patient", form)).body), form).toEqual([]);
  }
  const patient = service.as(actor("patient", { id: newId() }));
  expect((await post(patient, "Patient", "family=Łukas")).status).toBe(403);
});

test("threat: what identifies a person stands in a URL, be it of the caller's or of a link", async () => {
  const family = `Linked${newId().slice(-12)}`;
  for (let at = 0; at < 3; at++) await givenChart([], { name: [{ family }] });
  for (const query of [
    `Patient?family=${family}`,
    "Patient?identifier=urn:x|1",
    "Patient?birthdate=1933-02-03",
    "Patient?phone=1",
    "Observation?patient.family=x",
    "Observation?patient:Patient.name=x",
    "Patient?name:exact=x",
  ]) {
    const answer = await get(doctor, query, { accept: "application/fhir+json" });
    expect(answer, query).toMatchObject({
      status: 400,
      body: { resourceType: "OperationOutcome", issue: [{ severity: "error" }] },
    });
    expect(JSON.stringify(answer.body), query).toContain("/_search");
  }
  const inUrl = await doctor.post(`/v1/fhir/Patient/_search?family=${family}`, "", { headers: FORM });
  expect(inUrl.status).toBe(400);
  const first = await post(doctor, "Patient", `family=${family}&_count=1`);
  const ids = found(first.body).map(({ resource }) => resource.id);
  let next = nextOf(first.body);
  const sealed = next;
  for (; next; ) {
    expect(decodeURIComponent(next)).not.toContain(family);
    const cursor = new URL(next, "http://x").searchParams.get("_cursor") ?? "";
    expect(Buffer.from(cursor, "base64url").toString("latin1")).not.toContain(family);
    const { status, body } = await doctor.get<Page>(next);
    expect(status).toBe(200);
    ids.push(...found(body).map(({ resource }) => resource.id));
    next = nextOf(body);
  }
  expect(new Set(ids).size).toBe(3);
  expect((await service.someone("doctor").get(sealed ?? "")).status).toBe(400);
});

test("a search is an event that names its patients and none of its words", async () => {
  const id = await givenChart(CHART);
  await service.events();
  await post(doctor, "Observation", `patient=${id}&code=8310-5`);
  await get(doctor, `CarePlan?patient=${id}`);
  await get(doctor, `Observation?patient=${id}&code=8310-5&_include=Observation:subject`);
  const events = await service.events();
  expect(events).toMatchObject([
    {
      type: "medvault.records.record.searched.v1",
      subject: `patient/${id}`,
      data: { patientIds: [id], action: "record:read", details: { count: 1 } },
    },
    { type: "medvault.records.record.listed.v1", data: { details: { count: 0 } } },
    { type: "medvault.records.fhir-resource.listed.v1", data: { patientIds: [id], details: { count: 1 } } },
    { type: "medvault.records.record.listed.v1", data: { details: { count: 1 } } },
    { type: "medvault.records.patient.read.v1", subject: `patient/${id}` },
  ]);
  expect(JSON.stringify(events)).not.toContain("8310");
});

test("unmask opens what a search shows, with a purpose", async () => {
  const value = `ID-${newId().slice(-12)}`;
  const id = await givenChart(CHART, { identifier: [{ system: "urn:id", value }] });
  const query = `Patient?_id=${id}&unmask=nationalId`;
  expect((await get(doctor, query)).body).toMatchObject({ code: "purpose_required" });
  const open = await get(doctor, query, { "x-purpose": "TREAT" });
  expect(JSON.stringify(open.body)).toContain(value);
  expect(JSON.stringify((await get(doctor, `Patient?_id=${id}`)).body)).not.toContain(value);
});

test("threat: a filter that is not known is dropped, and everybody is found", async () => {
  const id = await givenChart(CHART);
  for (const form of ["telecom=1", "phne=1", "deceased=true", "_has=x", "_text=x", "address-city=Y"]) {
    const [name] = form.split("=");
    const refused = await post(doctor, "Patient", form, { accept: "application/fhir+json" });
    expect(refused, form).toMatchObject({ status: 400, body: { resourceType: "OperationOutcome" } });
    for (const word of [name, "_lastUpdated", "birthdate", "phone"]) {
      expect(JSON.stringify(refused.body), form).toContain(word);
    }
    const lenient = await post(doctor, "Patient", `${form}&_id=${id}`, { prefer: "handling=lenient" });
    expect(lenient, form).toMatchObject({
      status: 200,
      body: {
        total: 1,
        link: [{ relation: "self", url: `/v1/fhir/Patient?_id=${id}` }],
        entry: [{ resource: { id } }, { search: { mode: "outcome" } }],
      },
    });
    expect(lenient.body.entry?.[1]?.resource, form).toMatchObject({
      resourceType: "OperationOutcome",
      issue: [{ severity: "warning", diagnostics: expect.stringContaining(`${name} is not supported`) }],
    });
  }
  expect((await get(doctor, `Observation?patient=${id}&nothing=1`)).status).toBe(400);
});

test("how to show what was found, where it is not done, is named in an outcome that does not count", async () => {
  const id = await givenChart(CHART);
  const query = `Observation?patient=${id}&_sort=date&_summary=true&status=final&_format=json&_pretty=true`;
  const { status, body } = await get(doctor, query);
  expect(status).toBe(200);
  expect(body).toMatchObject({ total: 3, link: [{ relation: "self" }] });
  expect(body.link[0]?.url).toBe(`/v1/fhir/Observation?patient=${id}&status=final&_format=json&_pretty=true`);
  expect(body.entry?.map(({ search }) => search.mode)).toEqual(["match", "match", "match", "outcome"]);
  expect(body.entry?.[3]?.resource).toMatchObject({
    issue: ["_sort", "_summary"].map((name) => ({ diagnostics: expect.stringContaining(name) })),
  });
  expect(secondOpinion(body.entry?.[3]?.resource as Resource)).toEqual([]);
  const none = await get(doctor, `Coverage?patient=${id}&_elements=id`);
  expect(none.body).toMatchObject({ total: 0, entry: [{ search: { mode: "outcome" } }] });
  const plain = query.replace("&_format=json", "");
  expect(await get(doctor, plain, { prefer: "return=minimal, handling=strict" })).toMatchObject({
    status: 400,
    body: { errors: [{ path: "_sort" }, { path: "_summary" }] },
  });
});

test("the self link of a POST has what was used and says nothing of a person; next goes on with all of it", async () => {
  const id = await givenChart(CHART);
  const form = `patient=${id}&code=8867-4&category=vital-signs&_count=1&date=ge2000&_lastUpdated=ge2020`;
  const first = await post(doctor, "Observation", form);
  expect(first.body.link[0]?.url).toBe(
    `/v1/fhir/Observation?patient=${id}&_count=1&date=ge2000&_lastUpdated=ge2020`,
  );
  const pages = [first.body];
  for (let next = nextOf(first.body); next; next = nextOf(pages.at(-1) as Page)) {
    expect(next).not.toMatch(/8867|vital/);
    pages.push((await doctor.get<Page>(next)).body);
  }
  expect(pages.flatMap(codesIn)).toEqual(["8867-4", "8867-4"]);
  const codes = ["8867-4", ...Array.from({ length: 49 }, (_, at) => `http://snomed.info/sct|8867-${at}`)];
  const many = await post(doctor, "Observation", `patient=${id}&_count=1&code=${codes}`);
  expect((await doctor.get<Page>(nextOf(many.body) ?? "")).status).toBe(200);
  expect(nextOf(many.body)?.length).toBeLessThan(8_000);
  const long = codes.map((code) => code.padEnd(100, "0"));
  expect((await post(doctor, "Observation", `patient=${id}&code=${long}`)).status).toBe(400);
  const person = await post(doctor, "Patient", "family=Searched&birthdate=1980&gender=male&_count=5");
  expect(person.body.link[0]?.url).toBe("/v1/fhir/Patient?gender=male&_count=5");
});

test("refused: others' patients, roles without access, malformed values, cursors of other searches, other bodies", async () => {
  const id = await givenChart(CHART);
  const stranger = service.someone("doctor");
  for (const patient of [id, `Patient/${id}`, nobody(), "theirs", `http://x/Patient/${id}`]) {
    expect((await get(stranger, `Observation?patient=${patient}`)).status, patient).toBe(404);
  }
  expect((await get(service.someone("auditor"), "Observation")).status).toBe(403);
  const cursor = new URL(
    nextOf((await get(doctor, `Observation?patient=${id}&_count=1`)).body) ?? "",
    "http://x",
  ).searchParams.get("_cursor");
  const other = await givenPatient(doctor);
  for (const query of [
    `patient=${id}&patient=${other}`,
    `patient=${id}&date=yesterday`,
    `patient=${id}&date=31/01/1980`,
    `patient=${id}&_count=0`,
    `patient=${id}&_count=-1`,
    `patient=${id}&_count=many`,
    `patient=${id}&_include=Observation:encounter`,
    `patient=${id}&_include=*`,
    `patient=${id}&code:text=heart`,
    `patient=${id}&unmask=name`,
    `patient=${other}&_count=1&_cursor=${cursor}`,
    `patient=${id}&_count=1&code=x&_cursor=${cursor}`,
    `patient=${id}&_cursor=AAAA`,
    `_id=${Array.from({ length: 101 }, nobody)}`,
  ]) {
    expect((await get(doctor, `Observation?${query}`)).status, query).toBe(400);
  }
  for (const type of ["Nothing", "observation", "Bundle2", "__proto__"]) {
    expect((await get(doctor, type)).status, type).toBe(404);
  }
  const headers = { "content-type": "application/json" };
  expect((await doctor.post("/v1/fhir/Patient/_search", '{"family":"x"}', { headers })).status).toBe(415);
  expect((await post(doctor, "Patient", `family=${"x".repeat(70_000)}`)).status).toBe(413);
});
