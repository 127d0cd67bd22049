import { newId } from "@medvault/contracts";
import { actor, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type EntrySent, hospital, type Json, load, statusesOf } from "../../test/fhir.ts";
import { type Records, startRecords } from "../../test/harness.ts";

let service: Records;
let doctor: TestClient;
beforeAll(async () => {
  service = await startRecords();
  doctor = service.as({ ...actor("doctor"), purpose: "TREAT" });
});
afterAll(() => service?.close());

type Listed = { id: string; title: string; body: string; version: number };
const recordsOf = async (id: string | null) =>
  (await doctor.get<{ items: Listed[] }>(`/v1/patients/${id}/records`)).body.items;
const SYSTEM = "https://lab.example/order";
/** A result with an identifier, asked for in some way. */
const result = (number: string, subject: Json, request: Json, more: Json = {}): EntrySent => ({
  resource: {
    resourceType: "Observation",
    status: "final",
    code: { text: "Sodium" },
    identifier: [{ system: SYSTEM, value: number }],
    subject,
    valueInteger: 140,
    ...more,
  },
  request,
});
const post = (number: string) => ({
  method: "POST",
  url: "Observation",
  ifNoneExist: `identifier=${encodeURIComponent(SYSTEM)}|${number}`,
});
const by = (method: string, number: string, more: Json = {}) => ({
  method,
  url: `Observation?identifier=${SYSTEM}|${number}`,
  ...more,
});
const codeOf = (answer: { status: number; body: { code: string } }) => [answer.status, answer.body.code];

test("ifNoneExist creates once, and leaves what is there as it is", async () => {
  const [{ patient, subject }, number] = [hospital(newId()), newId()];
  const entry = (more: Json = {}) => [patient(), result(number, subject, post(number), more)];
  const first = await load(doctor, entry());
  expect(statusesOf(first)).toEqual(["201 Created", "201 Created"]);
  const second = await load(doctor, entry({ valueInteger: 99 }));
  expect(statusesOf(second)).toEqual(["200 OK", "200 OK"]);
  expect(second.body.entry[1]?.response.location).toBe(first.body.entry[1]?.response.location);
  expect(await recordsOf(first.body.patientId)).toMatchObject([{ body: "Value: 140" }]);
});

test("a conditional update creates, updates the one that matches, and refuses when several do", async () => {
  const [{ patient, subject }, number] = [hospital(newId()), newId()];
  const put = (more: Json = {}) => [patient(), result(number, subject, by("PUT", number), more)];
  const first = await load(doctor, put());
  expect(statusesOf(first)).toEqual(["201 Created", "201 Created"]);
  // Whatever else it says, that is the one.
  const other = { code: { text: "Sodium, corrected" }, valueInteger: 141 };
  expect(statusesOf(await load(doctor, put(other)))).toEqual(["200 OK", "200 OK"]);
  expect(await recordsOf(first.body.patientId)).toMatchObject([{ title: "Sodium, corrected", version: 2 }]);
  await load(doctor, [patient(), result(number, subject, { method: "POST", url: "Observation" })]);
  expect(codeOf(await load(doctor, put({ valueInteger: 1 })))).toEqual([412, "multiple_matches"]);
  const batch = await load(doctor, put({ valueInteger: 1 }), "batch");
  expect(statusesOf(batch)).toEqual(["200 OK", "412 Precondition Failed error"]);
  expect(batch.body).toMatchObject({ failed: 1, existing: 1 });
  expect(await recordsOf(first.body.patientId)).toHaveLength(2);
});

test("ifMatch lets the version pass that is there, and no other", async () => {
  const { patient, lab } = hospital(newId());
  await load(doctor, [patient(), lab()]);
  const changed = (value: number, ifMatch: string) => {
    const entry = lab({ valueQuantity: { value } });
    return [patient(), { ...entry, request: { ...entry.request, ifMatch } }];
  };
  expect(statusesOf(await load(doctor, changed(4, 'W/"1"')))).toEqual(["200 OK", "200 OK"]);
  expect(codeOf(await load(doctor, changed(5, 'W/"1"')))).toEqual([412, "version_conflict"]);
  const batch = await load(doctor, changed(5, 'W/"1"'), "batch");
  expect(statusesOf(batch)).toEqual(["200 OK", "412 Precondition Failed error"]);
  expect(codeOf(await load(doctor, changed(5, "today")))).toEqual([400, "invalid_input"]);
});

test("a PUT by our own id is the next version of that row, and none of another patient's", async () => {
  const { patient, lab, subject } = hospital(newId());
  const first = await load(doctor, [patient(), lab()]);
  const [record] = await recordsOf(first.body.patientId);
  const put = (about: Json): EntrySent => ({
    resource: { ...lab({ id: record?.id, valueQuantity: { value: 5 } }).resource, subject: about } as Json,
    request: { method: "PUT", url: `Observation/${record?.id}` },
  });
  expect(statusesOf(await load(doctor, [patient(), put(subject)]))).toEqual(["200 OK", "200 OK"]);
  expect(await recordsOf(first.body.patientId)).toMatchObject([{ id: record?.id, version: 2 }]);
  const other = hospital(newId());
  expect(codeOf(await load(doctor, [other.patient(), put(other.subject)]))).toEqual([
    409,
    "resource_elsewhere",
  ]);
  // Who may not see the row learns nothing of it: the id is a name of their own.
  const stranger = service.as({ ...actor("doctor"), purpose: "TREAT" });
  const theirs = await load(stranger, [other.patient(), put(other.subject)]);
  expect(statusesOf(theirs)).toEqual(["201 Created", "201 Created"]);
  expect(await recordsOf(first.body.patientId)).toMatchObject([{ id: record?.id, version: 2 }]);
});

test.each(["transaction", "batch"])(
  "a PUT to our own id of a row of another type changes nothing, in a %s",
  async (type) => {
    const { patient, lab, put, subject } = hospital(newId());
    const plan = put({ resourceType: "CarePlan", id: "c", subject });
    const first = await load(doctor, [patient(), lab(), plan]);
    const id = first.body.patientId;
    const [record] = await recordsOf(id);
    const [, , kept] = first.body.entry.map(({ response }) => response.location?.split("/")[1]);
    const code = { text: "Sepsis" };
    for (const [other, own, more] of [
      ["Condition", record?.id, { code }],
      ["MedicationRequest", record?.id, { intent: "order", medicationCodeableConcept: code }],
      ["Claim", record?.id, {}],
      ["Condition", kept, { code }],
      ["Condition", id, { code }],
      ["Patient", record?.id, {}],
    ] as const) {
      const resource = { resourceType: other, id: own, status: "active", subject, ...more };
      const about = other === "Patient" ? { resourceType: other, id: own } : resource;
      const request = { method: "PUT", url: `${other}/${own}` };
      const answer = await load(doctor, [patient(), { resource: about, request }], type);
      if (type === "transaction") expect(codeOf(answer), other).toEqual([409, "resource_elsewhere"]);
      else expect(statusesOf(answer)).toEqual(["200 OK", "409 Conflict error"]);
    }
    expect(await recordsOf(id)).toEqual([record]);
  },
);

test("DELETE hides a record, removes a prescription, and is refused where our own API has none", async () => {
  const { patient, lab, put, subject } = hospital(newId());
  const order = put({
    resourceType: "MedicationRequest",
    id: "m",
    status: "active",
    intent: "order",
    subject,
    medicationCodeableConcept: { text: "Digoxin" },
  });
  const first = await load(doctor, [patient(), lab(), order]);
  const ids = first.body.entry.map(({ response }) => response.location?.split("/_history")[0]);
  const remove = (url: string | undefined, more: Json = {}) => ({
    request: { method: "DELETE", url, ...more },
  });
  expect(codeOf(await load(doctor, [remove(ids[2]), remove(ids[0])]))).toEqual([400, "not_deleted"]);
  expect(codeOf(await load(doctor, [remove(ids[1], { ifMatch: 'W/"7"' })]))).toEqual([
    412,
    "version_conflict",
  ]);
  const stranger = service.as({ ...actor("doctor"), purpose: "TREAT" });
  expect(codeOf(await load(stranger, [remove(ids[1])]))).toEqual([404, "not_found"]);
  const wrongType = String(ids[1]).replace("Observation", "Condition");
  const batch = await load(
    doctor,
    [remove(ids[1]), remove(ids[2]), remove(ids[0]), remove(wrongType)],
    "batch",
  );
  expect(statusesOf(batch)).toEqual([
    "204 No Content",
    "204 No Content",
    "400 Bad Request error",
    "404 Not Found error",
  ]);
  expect(batch.body).toMatchObject({ deleted: 2, failed: 2 });
  expect(await recordsOf(first.body.patientId)).toEqual([]);
  expect((await doctor.get(`/v1/prescriptions?patientId=${first.body.patientId}`)).body).toMatchObject({
    items: [],
  });
  const types = (await service.events()).map(({ type }) => type);
  expect(types).toContain("medvault.records.record.hidden.v1");
  expect(types).toContain("medvault.records.prescription.deleted.v1");
});

test("a conditional DELETE takes the one that matches, and nothing is no fault", async () => {
  const [{ patient, subject }, number] = [hospital(newId()), newId()];
  const first = await load(doctor, [patient(), result(number, subject, post(number))]);
  const gone = [patient(), { request: by("DELETE", number) }];
  expect(statusesOf(await load(doctor, gone))).toEqual(["200 OK", "204 No Content"]);
  expect(await recordsOf(first.body.patientId)).toEqual([]);
  const none = [patient(), { request: by("DELETE", newId()) }];
  expect(statusesOf(await load(doctor, none))).toEqual(["200 OK", "204 No Content"]);
});

test("a conditional DELETE without its patient is refused: it cannot say that there is none", async () => {
  const [{ patient, subject }, number] = [hospital(newId()), newId()];
  const first = await load(doctor, [patient(), result(number, subject, post(number))]);
  const entry = [{ request: by("DELETE", number) }];
  expect(await load(doctor, entry)).toMatchObject({
    status: 400,
    body: { code: "invalid_input", errors: [{ path: "entry.0.request.url" }] },
  });
  const batch = await load(doctor, entry, "batch");
  expect(statusesOf(batch)).toEqual(["400 Bad Request error"]);
  expect(batch.body).toMatchObject({ failed: 1, deleted: 0 });
  expect(await recordsOf(first.body.patientId)).toHaveLength(1);
});

test("a DELETE of what is kept as it came leaves its last version", async () => {
  const { patient, put, subject } = hospital(newId());
  const first = await load(doctor, [patient(), put({ resourceType: "CarePlan", id: "c", subject })]);
  const url = first.body.entry[1]?.response.location?.split("/_history")[0];
  expect(statusesOf(await load(doctor, [{ request: { method: "DELETE", url } }]))).toEqual([
    "204 No Content",
  ]);
  const { rows } = await service.context.pool.query("select kind from row_versions where row_id = $1", [
    url?.split("/")[1],
  ]);
  expect(rows).toEqual([{ kind: "fhir-resource" }]);
});

test.each([
  ["GET", { method: "GET", url: "Observation/1" }],
  ["PATCH", { method: "PATCH", url: "Observation/1" }],
  ["a search by name", { method: "PUT", url: "Observation?name=x" }],
  ["two conditions", { method: "PUT", url: "Observation?identifier=a|1&status=final" }],
  ["an identifier without its system", { method: "PUT", url: "Observation?identifier=1" }],
  ["another type's url", { method: "PUT", url: "Condition/1" }],
  ["another id's url", { method: "PUT", url: "Observation/2" }],
])("%s refuses a transaction with its path, and one entry of a batch", async (_what, request) => {
  const { patient, lab } = hospital(newId());
  const entries = [patient(), { ...lab({ id: "1" }), request }];
  const answer = await load(doctor, entries);
  expect(answer).toMatchObject({
    status: 400,
    body: { errors: [{ path: expect.stringMatching(/^entry\.1\.request/) }] },
  });
  const batch = await load(doctor, entries, "batch");
  expect(statusesOf(batch)).toEqual(["201 Created", "400 Bad Request error"]);
  expect(batch.body.entry[1]?.response.outcome.issue[0]).toMatchObject({
    code: expect.stringMatching(/^(not-supported|invalid)$/),
    expression: [expect.stringMatching(/^entry\[1\]\.request/)],
  });
});

test("one bad resource of a batch leaves the others as they are", async () => {
  const { patient, lab } = hospital(newId());
  const batch = await load(
    doctor,
    [patient(), { resource: { resourceType: "no type" } }, lab(), {}],
    "batch",
  );
  expect(statusesOf(batch)).toEqual([
    "201 Created",
    "400 Bad Request error",
    "201 Created",
    "400 Bad Request error",
  ]);
  expect(batch.body).toMatchObject({ type: "batch-response", failed: 2, stored: { records: 1 } });
});

test("requests of a collection are how something was found, and ask for nothing", async () => {
  const { patient, lab } = hospital(newId());
  const found = { ...lab(), request: { method: "DELETE", url: "Observation/k" } };
  expect((await load(doctor, [patient(), found], "collection")).body).toMatchObject({
    stored: { records: 1 },
  });
});

test("what is about a chart of ours by its id or a person's number is that patient's, with no Patient sent", async () => {
  const number = newId();
  const { patient, lab } = hospital(number);
  const first = await load(doctor, [patient()]);
  const id = first.body.patientId;
  const about = (subject: Json, value: number) => [
    {
      ...lab(),
      fullUrl: `urn:uuid:${newId()}`,
      resource: { ...lab().resource, subject, valueQuantity: { value } },
      request: { method: "POST", url: "Observation" },
    } as EntrySent,
  ];
  const system = "urn:oid:2.999.7.1";
  const subjects = [
    { reference: `Patient/${id}` },
    { reference: `urn:uuid:${id}` },
    { reference: `Patient?identifier=${encodeURIComponent(system)}|${number}` },
    { identifier: { system, value: number.toUpperCase() } },
  ];
  for (const [at, subject] of subjects.entries()) {
    const answer = await load(doctor, about(subject, at));
    expect(answer.body).toMatchObject({ patientId: id, patient: "matched", stored: { records: 1 } });
  }
  expect(await recordsOf(id)).toHaveLength(4);
  const [record] = await recordsOf(id);
  const put = {
    resource: { ...lab({ id: record?.id }).resource, subject: { reference: `Patient/${id}` } },
    request: { method: "PUT", url: `Observation/${record?.id}` },
  };
  expect((await load(doctor, [put])).body).toMatchObject({ updated: 1 });
  const stranger = service.as({ ...actor("doctor"), purpose: "TREAT" });
  expect((await load(stranger, about(subjects[0] as Json, 9))).body).toMatchObject({
    patientId: null,
    kept: { Observation: 1 },
  });
  expect(await recordsOf(id)).toHaveLength(4);
});

test("who asks for FHIR gets the Bundle alone, and its refusals as an OperationOutcome", async () => {
  const { patient, lab } = hospital(newId());
  const bundle = { resourceType: "Bundle", type: "transaction", entry: [patient(), lab()] };
  const FHIR = "application/fhir+json";
  const ask = (headers: Record<string, string>, body: unknown = bundle) =>
    doctor.post<Json>("/v1/fhir", JSON.stringify(body), {
      headers: { "content-type": "application/json", ...headers },
    });
  for (const headers of [{ accept: FHIR }, { accept: FHIR, "content-type": FHIR }]) {
    const answer = await ask(headers as never);
    expect(answer.headers.get("content-type")).toContain(FHIR);
    expect(Object.keys(answer.body).sort()).toEqual(["entry", "resourceType", "type"]);
  }
  for (const headers of [{}, { "content-type": FHIR }, { "content-type": FHIR, accept: "*/*" }]) {
    const answer = await ask(headers as never);
    expect(answer.headers.get("content-type")).toContain("application/json");
    expect(answer.body).toMatchObject({ existing: 2, type: "transaction-response", entry: [{}, {}] });
  }
  const wrong = { ...bundle, entry: [{ request: { method: "GET", url: "Patient/1" } }] };
  expect((await ask({ accept: FHIR }, wrong)).body).toMatchObject({
    resourceType: "OperationOutcome",
    issue: [{ severity: "error", expression: ["entry[0].request.method"] }],
  });
});

test("a resource that was read here and is put back is the next version, whatever version it was elsewhere", async () => {
  const { patient, lab } = hospital(newId());
  const first = await load(doctor, [patient(), lab({ meta: { versionId: "10" } })]);
  const place = first.body.entry[1]?.response.location?.split("/_history")[0] ?? "";
  const read = (await doctor.get<Json>(`/v1/fhir/${place}`)).body;
  expect(read).toMatchObject({ meta: { versionId: "1" } });
  const resource = { ...read, valueQuantity: { value: 6, unit: "mmol/L" } };
  const request = { method: "PUT", url: place, ifMatch: 'W/"1"' };
  const answer = await load(doctor, [{ resource, request }]);
  expect(statusesOf(answer)).toEqual(["200 OK"]);
  expect(answer.body).toMatchObject({ updated: 1, patientId: first.body.patientId });
  expect((await doctor.get<Json>(`/v1/fhir/${place}`)).body).toMatchObject({
    meta: { versionId: "2" },
    valueQuantity: { value: 6 },
  });
  expect((await load(doctor, [{ resource, request }])).body).toMatchObject({ code: "version_conflict" });
});

test("what a search found here loads and changes nothing", async () => {
  const { patient, lab } = hospital(newId());
  const first = await load(doctor, [patient(), lab()]);
  const found = (
    await doctor.get<{ entry: EntrySent[] }>(`/v1/fhir/Observation?patient=${first.body.patientId}`)
  ).body;
  expect(found.entry).toHaveLength(1);
  expect((await load(doctor, found.entry, "searchset")).body).toMatchObject({
    patientId: first.body.patientId,
    existing: 1,
    updated: 0,
    stored: { records: 0 },
  });
});
