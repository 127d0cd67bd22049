import type { FhirImportView } from "@medvault/contracts";
import { actor, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Records, startRecords } from "../../test/harness.ts";

// Numbers keep their digits (K07): 7.10 says how exactly it was measured.

let service: Records;
let doctor: TestClient;
beforeAll(async () => {
  service = await startRecords();
  doctor = service.as({ ...actor("doctor"), purpose: "TREAT" });
});
afterAll(() => service.close());

const PATIENT = "urn:uuid:6a0c3f0e-5c52-4d35-8f3b-0d5a7a1f7a10";
const subject = `{"reference":"${PATIENT}"}`;
const observation = (url: string, value: string) =>
  `{"fullUrl":"urn:uuid:${url}","resource":{"resourceType":"Observation","status":"final","code":{"text":"K"},"subject":${subject},${value}},"request":{"method":"POST","url":"Observation"}}`;
const bundle = (...entries: string[]) =>
  `{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"${PATIENT}","resource":{"resourceType":"Patient","name":[{"family":"Digits"}],"extension":[{"url":"http://example.org/d","valueDecimal":1.00}],"multipleBirthInteger":2},"request":{"method":"POST","url":"Patient"}},${entries.join(",")}]}`;
const load = (text: string) =>
  doctor.post<FhirImportView>("/v1/fhir", text, {
    headers: { accept: "application/json", "content-type": "application/fhir+json" },
  });
const exported = async (id: string | null) =>
  (await doctor.get(`/v1/fhir/Patient/${id}/$everything`)).bytes.toString("utf8");
const VALUES = [
  '"valueQuantity":{"unit":"mmol/L","value":7.10}',
  '"valueQuantity":{"unit":"mg","value":1e2}',
  '"valueQuantity":{"unit":"1","value":12345678901234567890}',
  '"valueRange":{"high":{"value":1.0},"low":{"value":0.1000}}',
  '"valueSampledData":{"data":"1 2","dimensions":1,"origin":{"value":0.0},"period":10.0}',
];
const url = (at: number) => `0b8b7a1e-8f4f-4c0f-9a55-9f0f7a5c000${at}`;

test("what was loaded comes back digit for digit, and reads so in the record, which is signed", async () => {
  const text = bundle(...VALUES.map((value, at) => observation(url(at), value)));
  const { body } = await load(text);
  expect(body).toMatchObject({ patient: "created", total: 6, stored: { records: 5 } });
  const out = await exported(body.patientId);
  for (const value of [...VALUES, '"valueDecimal":1.00', '"multipleBirthInteger":2'])
    expect(out).toContain(value);
  expect(out).not.toContain('"#"');

  const records = await doctor.get<{ items: { id: string; body: string }[] }>(
    `/v1/patients/${body.patientId}/records?limit=100`,
  );
  expect(records.body.items.map((one) => one.body).sort()).toEqual([
    "Value: 0.1000 to 1.0",
    "Value: 1 2 (every 10.0 ms, zero at 0.0)",
    "Value: 12345678901234567890 1",
    "Value: 1e2 mg",
    "Value: 7.10 mmol/L",
  ]);
  const [first] = records.body.items;
  expect((await doctor.get(`/v1/records/${first?.id}/integrity`)).body).toMatchObject({ valid: true });
  // Its own export is the same again.
  expect(await load(out)).toMatchObject({ body: { patientId: body.patientId, existing: 6 } });
});

test("an edit keeps the digits of all else, and its own", async () => {
  const { body } = await load(
    bundle(observation(url(7), `${VALUES[0]},"referenceRange":[{"high":{"value":5.0}}]`)).replaceAll(
      "6a0c3f0e",
      "6a0c3f0f",
    ),
  );
  const records = await doctor.get<{ items: Record<string, unknown>[] }>(
    `/v1/patients/${body.patientId}/records`,
  );
  const [record] = records.body.items;
  const { id, type, title } = record ?? {};
  const edited = { type, title, body: String(record?.body).replace("7.10", "7.00") };
  expect((await doctor.put(`/v1/records/${id}`, edited)).status).toBe(200);
  const out = await exported(body.patientId);
  expect(out).toContain('"valueQuantity":{"unit":"mmol/L","value":7.00}');
  expect(out).toContain('"referenceRange":[{"high":{"value":5.0}}]');
  expect(out).toContain('"valueDecimal":1.00');
});

test("FHIR clients read, follow and find digits too, whatever JSON they ask for", async () => {
  const { body } = await load(
    bundle(observation(url(6), VALUES[0] ?? "")).replaceAll("6a0c3f0e", "6a0c3f13"),
  );
  const { id } = (await doctor.get<{ items: { id: string }[] }>(`/v1/patients/${body.patientId}/records`))
    .body.items[0] ?? { id: "" };
  for (const accept of ["application/fhir+json", "application/json"]) {
    for (const path of ["", "/_history", "/_history/1"]) {
      const answer = await doctor.get(`/v1/fhir/Observation/${id}${path}`, { headers: { accept } });
      expect([path, answer.bytes.toString("utf8")]).toEqual([path, expect.stringContaining('"value":7.10')]);
    }
    const found = await doctor.get(`/v1/fhir/Observation?patient=${body.patientId}`, { headers: { accept } });
    expect(found.bytes.toString("utf8")).toContain('"value":7.10');
  }
});

test("a claim's total with two zeros is its amount", async () => {
  const claim = `{"resource":{"resourceType":"Claim","status":"draft","use":"claim","patient":${subject},"total":{"value":1.2550e2,"currency":"EUR"}}}`;
  const { body } = await load(bundle(claim).replaceAll("6a0c3f0e", "6a0c3f10"));
  const claims = await doctor.get<{ items: { amount: number }[] }>(`/v1/claims?patientId=${body.patientId}`);
  expect(claims.body.items).toMatchObject([{ amount: 12_550 }]);
  expect(await exported(body.patientId)).toContain('"value":1.2550e2');
});

test("a masked number is masked however it is spelled", async () => {
  const identified = bundle(observation(url(8), '"valueQuantity":{"value":900551234.0}')).replaceAll(
    "6a0c3f0e",
    "6a0c3f11",
  );
  const { body } = await load(
    identified.replace('"name":', '"identifier":[{"system":"urn:x","value":"9005512340"}],"name":'),
  );
  expect(await exported(body.patientId)).not.toMatch(/900551234/);
});

test("threat: a name twice in one object is refused with the path, and nothing is stored", async () => {
  const twice = bundle(observation(url(9), '"valueString":"a","valueString":"b"')).replaceAll(
    "6a0c3f0e",
    "6a0c3f12",
  );
  const fhir = { headers: { "content-type": "application/json", accept: "application/fhir+json" } };
  expect(await doctor.post("/v1/fhir", twice, fhir)).toMatchObject({
    status: 400,
    body: { issue: [{ expression: ["entry[1].resource.valueString"] }] },
  });
  const json = { headers: { "content-type": "application/json" } };
  expect(await doctor.post("/v1/fhir", twice, json)).toMatchObject({
    status: 400,
    body: { errors: [{ path: "entry.1.resource.valueString", message: "is there twice" }] },
  });
});
