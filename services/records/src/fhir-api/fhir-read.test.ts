import { newId } from "@medvault/contracts";
import { actor, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { givenPatient, nobody, type Records, startRecords, visiblePart } from "../../test/harness.ts";

type Resource = { resourceType: string; id: string; meta: { versionId: string }; [field: string]: unknown };
interface History {
  total: number;
  entry: { resource?: Resource; request: { method: string }; response: { status: string; etag?: string } }[];
}

let service: Records;
let doctor: TestClient;
beforeAll(async () => {
  service = await startRecords();
  doctor = service.someone("doctor");
});
afterAll(() => service?.close());

const SSN = "900-55-1234";

/** An imported chart: the ids of its rows by type. */
async function givenChart() {
  const self = `urn:uuid:${newId()}`;
  const subject = { reference: self };
  const resources = [
    {
      resourceType: "Patient",
      id: "theirs",
      identifier: [{ system: "http://hl7.org/fhir/sid/us-ssn", value: `${SSN}-${newId()}` }],
      name: [{ family: "Read", given: ["Me"] }],
      birthDate: "1980-05-06",
    },
    {
      resourceType: "Observation",
      id: "obs-1",
      meta: { profile: ["urn:profile"], versionId: "theirs" },
      status: "final",
      code: { coding: [{ system: "http://loinc.org", code: "8867-4" }], text: "Heart rate" },
      subject,
      effectiveDateTime: "2024-05-06",
      valueQuantity: { value: 71.5, unit: "/min" },
    },
    {
      resourceType: "MedicationRequest",
      status: "active",
      intent: "order",
      medicationCodeableConcept: { text: "Aspirin" },
      subject: { reference: "Patient/theirs" },
    },
    { resourceType: "CarePlan", status: "active", intent: "plan", subject },
  ];
  const entry = resources.map((resource) => ({
    fullUrl: resource.resourceType === "Patient" ? self : `urn:uuid:${newId()}`,
    resource,
  }));
  const made = await doctor.post<{ patientId: string }>("/v1/fhir", {
    resourceType: "Bundle",
    type: "transaction",
    entry,
  });
  expect(made.status).toBe(200);
  const { patientId } = made.body;
  const { rows } = await service.context.pool.query<{ type: string; id: string }>(
    `select 'Observation' as type, id from medical_records where patient_id = $1
     union all select 'MedicationRequest', id from prescriptions where patient_id = $1
     union all select 'CarePlan', id from fhir_resources where subject_id = $1`,
    [patientId],
  );
  const ids = Object.fromEntries(rows.map(({ type, id }) => [type, id])) as Record<string, string>;
  return { patientId, ids: { ...ids, Patient: patientId } as Record<string, string> };
}

test("a resource of any kind is read by our id, and refers to our patient; the rest is as it came", async () => {
  const { patientId, ids } = await givenChart();
  expect(Object.keys(ids).sort()).toEqual(["CarePlan", "MedicationRequest", "Observation", "Patient"]);
  for (const [type, id] of Object.entries(ids)) {
    const { status, headers, body } = await doctor.get<Resource>(`/v1/fhir/${type}/${id}`);
    expect(status, type).toBe(200);
    expect(headers.get("content-type")).toBe("application/fhir+json; charset=utf-8");
    expect(headers.get("etag")).toBe('W/"1"');
    expect(Date.parse(headers.get("last-modified") ?? "")).toBeGreaterThan(Date.now() - 60_000);
    expect(body).toMatchObject({ resourceType: type, id, meta: { versionId: "1" } });
    if (type !== "Patient") expect(body.subject, type).toEqual({ reference: `Patient/${patientId}` });
    // fetch() would say no-cache, which the gateway drops.
    const since = { headers: { "if-none-match": 'W/"1"', "cache-control": "max-age=0" } };
    expect((await doctor.get(`/v1/fhir/${type}/${id}`, since)).status).toBe(304);
  }
  const { body } = await doctor.get<Resource>(`/v1/fhir/Observation/${ids.Observation}`);
  expect(body).toMatchObject({
    meta: { profile: ["urn:profile"], versionId: "1" },
    valueQuantity: { value: 71.5, unit: "/min" },
  });
});

test("a number is read and found with the digits that it came with", async () => {
  const made = await doctor.post<{ patientId: string }>(
    "/v1/fhir",
    `{"resourceType":"Bundle","type":"transaction","entry":[
      {"fullUrl":"urn:uuid:${newId()}","resource":{"resourceType":"Patient","name":[{"family":"Digits"}]}},
      {"resource":{"resourceType":"Observation","status":"final","code":{"text":"Sodium"},
        "subject":{"reference":"Patient/x"},"valueQuantity":{"value":140.00}}}]}`,
    { headers: { "content-type": "application/json" } },
  );
  const found = await doctor.get<{ entry: { resource: Resource }[] }>(
    `/v1/fhir/Observation?patient=${made.body.patientId}`,
  );
  expect(found.bytes.toString()).toContain('"value":140.00');
  const id = found.body.entry[0]?.resource.id;
  for (const tail of ["", "/_history", "/_history/1"]) {
    const { bytes } = await doctor.get(`/v1/fhir/Observation/${id}${tail}`);
    expect(bytes.toString(), tail).toContain('"value":140.00');
  }
});

test("what was written here is read as FHIR, too", async () => {
  const patientId = await givenPatient(doctor);
  const record = { type: "note", title: "Seen", body: "Well", occurredAt: "2026-01-01T00:00:00Z" };
  const { id } = (await doctor.post<{ id: string }>(`/v1/patients/${patientId}/records`, record)).body;
  expect(await doctor.get(`/v1/fhir/DocumentReference/${id}`)).toMatchObject({
    status: 200,
    body: { id, description: "Seen", subject: { reference: `Patient/${patientId}` } },
  });
});

test("a read masks as $everything does; unmask needs a purpose, and is an event", async () => {
  const { ids } = await givenChart();
  const path = `/v1/fhir/Patient/${ids.Patient}`;
  const masked = await doctor.get<Resource>(path);
  expect(JSON.stringify(masked.body)).not.toContain(SSN);
  expect(JSON.stringify(masked.body)).toContain("masked");
  expect((await doctor.get(`${path}?unmask=nationalId`)).body).toMatchObject({ code: "purpose_required" });
  await service.events();
  const open = await doctor.get(`${path}?unmask=nationalId`, { headers: { "x-purpose": "TREAT" } });
  expect(JSON.stringify(open.body)).toContain(SSN);
  expect((await service.events()).map(({ type }) => type)).toEqual([
    "medvault.records.patient.read.v1",
    "medvault.records.patient.unmasked.v1",
  ]);
});

test("threat: an id, a type or a version tells a stranger what there is", async () => {
  const { ids } = await givenChart();
  const stranger = service.someone("doctor");
  const patient = service.as(actor("patient", { id: newId() }));
  for (const [type, id] of Object.entries(ids)) {
    for (const tail of ["", "/_history", "/_history/1"]) {
      const unknown = visiblePart(await stranger.get(`/v1/fhir/${type}/${nobody()}${tail}`));
      for (const who of [stranger, patient]) {
        const answer = await who.get(`/v1/fhir/${type}/${id}${tail}`);
        expect(answer.status, type + tail).toBe(404);
        expect(visiblePart(answer), type + tail).toEqual(unknown);
      }
      const auditor = service.someone("auditor");
      expect((await auditor.get(`/v1/fhir/${type}/${id}${tail}`)).status, type + tail).toBe(403);
    }
  }
  const { Observation, Patient } = ids;
  for (const path of [
    `Condition/${Observation}`,
    `Patient/${Observation}`,
    `Observation/${Patient}`,
    `Nothing/${Observation}`,
    `observation/${Observation}`,
    `Observation/obs-1`,
    `Observation/${Observation}/_history/2`,
    `Observation/${Observation}/_history/0`,
  ]) {
    expect((await doctor.get(`/v1/fhir/${path}`)).status, path).toBe(404);
  }
});

test("a patient reads of their own chart what the plain routes show them", async () => {
  const { ids, patientId } = await givenChart();
  const userId = newId();
  const admin = service.someone("admin");
  service.auth.standing.set(userId, "patient");
  expect((await admin.patch(`/v1/patients/${patientId}`, { userId })).status).toBe(200);
  const patient = service.as(actor("patient", { id: userId }));
  for (const [type, id] of Object.entries(ids)) {
    expect((await patient.get(`/v1/fhir/${type}/${id}`)).status, type).toBe(200);
  }
});

test("each version is there, newest first, and a deleted record only for those who write records", async () => {
  const patientId = await givenPatient(doctor);
  const record = { type: "note", title: "First", body: "Well", occurredAt: "2026-01-01T00:00:00Z" };
  const { id } = (await doctor.post<{ id: string }>(`/v1/patients/${patientId}/records`, record)).body;
  await doctor.put(`/v1/records/${id}`, { ...record, title: "Second" });
  const path = `/v1/fhir/DocumentReference/${id}`;
  await service.events();
  const { body } = await doctor.get<History>(`${path}/_history`);
  expect(body).toMatchObject({ resourceType: "Bundle", type: "history", total: 2 });
  expect(body.entry.map(({ resource }) => [resource?.meta.versionId, resource?.description])).toEqual([
    ["2", "Second"],
    ["1", "First"],
  ]);
  expect(body.entry.map(({ request, response }) => [request.method, response.etag])).toEqual([
    ["PUT", 'W/"2"'],
    ["POST", 'W/"1"'],
  ]);
  expect(await service.events()).toMatchObject([
    { type: "medvault.records.record.versions-read.v1", data: { details: { versions: 2 } } },
  ]);
  expect((await doctor.get(`${path}/_history/1`)).body).toMatchObject({ description: "First" });
  expect((await doctor.get<History>(`${path}/_history?_count=1`)).body.entry).toHaveLength(1);
  await doctor.delete(`/v1/records/${id}`);
  expect(await doctor.get(path)).toMatchObject({ status: 410, body: { code: "resource_deleted" } });
  const after = await doctor.get<History>(`${path}/_history`);
  expect(after.body.entry.map(({ request }) => request.method)).toEqual(["DELETE", "PUT", "POST"]);
  expect((await service.someone("doctor").get(path)).status).toBe(404);
});

test("versions of a prescription, a claim and a patient are read from what they were", async () => {
  const { ids, patientId } = await givenChart();
  const drug = { medication: "Warfarin", dosage: "1", startDate: "2026-01-15", status: "active" };
  await doctor.put(`/v1/prescriptions/${ids.MedicationRequest}`, drug);
  await doctor.patch(`/v1/patients/${patientId}`, { phone: "555-000-1234" });
  for (const type of ["MedicationRequest", "Patient"]) {
    const { body } = await doctor.get<History>(`/v1/fhir/${type}/${ids[type]}/_history`);
    expect(
      body.entry.map(({ resource }) => resource?.meta.versionId),
      type,
    ).toEqual(["2", "1"]);
    expect(JSON.stringify(body)).not.toContain("555-000-1234");
  }
  const path = `/v1/fhir/MedicationRequest/${ids.MedicationRequest}`;
  expect((await doctor.get(`${path}/_history/1`)).body).toMatchObject({
    medicationCodeableConcept: { text: "Aspirin" },
  });
});

test("what an import answers as location and ETag is what is read there, corrected or not", async () => {
  const fullUrl = `https://lab.example/fhir/CarePlan/${newId()}`;
  const patient = `https://lab.example/fhir/Patient/${newId()}`;
  const load = async (status: string, versionId: string) => {
    const resource = { status, intent: "plan", subject: { reference: patient }, meta: { versionId } };
    const entry = [
      { fullUrl: patient, resource: { resourceType: "Patient", name: [{ family: "Located" }] } },
      { fullUrl, resource: { resourceType: "CarePlan", ...resource } },
      {
        fullUrl: fullUrl.replace("CarePlan", "Observation"),
        resource: {
          ...{ resourceType: "Observation", ...resource, code: { text: "Sodium" }, valueString: status },
          status: versionId === "1" ? "preliminary" : "final",
        },
      },
    ];
    const bundle = { resourceType: "Bundle", type: "transaction", entry };
    const headers = { accept: "application/fhir+json" };
    const { body } = await doctor.post<{ entry: { response: { location: string; etag: string } }[] }>(
      "/v1/fhir",
      bundle,
      { headers },
    );
    return body.entry.map(({ response }) => response);
  };
  const loads = [await load("draft", "1"), await load("active", "2")];
  for (const { location, etag } of loads.flat()) {
    const { status, headers, body } = await doctor.get<Resource>(`/v1/fhir/${location}`);
    expect([status, headers.get("etag")], location).toEqual([200, etag]);
    expect(location).toBe(`${body.resourceType}/${body.id}/_history/${body.meta.versionId}`);
  }
  const [, plan] = loads[1] ?? [];
  const { body } = await doctor.get<History>(`/v1/fhir/${plan?.location.replace(/\/[^/]+$/, "")}`);
  expect(body.entry.map(({ resource }) => resource?.status)).toEqual(["active", "draft"]);
});

test("what is asked for as XML is refused; JSON has several names", async () => {
  const { ids } = await givenChart();
  const path = `/v1/fhir/Observation/${ids.Observation}`;
  for (const accept of ["application/fhir+json", "application/json", "*/*", "text/html, */*;q=0.1"]) {
    expect((await doctor.get(path, { headers: { accept } })).status, accept).toBe(200);
  }
  const xml = await doctor.get(path, { headers: { accept: "application/fhir+xml" } });
  expect(xml.headers.get("content-type")).toBe("application/fhir+json; charset=utf-8");
  expect(xml).toMatchObject({
    status: 406,
    body: {
      resourceType: "OperationOutcome",
      issue: [
        { severity: "error", code: "not-supported", details: { coding: [{ code: "not_acceptable" }] } },
      ],
    },
  });
  expect((await doctor.get(`${path}?_format=xml`)).status).toBe(406);
  expect((await doctor.get(`${path}?_format=application/fhir%2Bjson`)).status).toBe(200);
});

test("an error is an OperationOutcome where FHIR is asked for, else a problem", async () => {
  const path = `/v1/fhir/Observation/${nobody()}`;
  const asked = await doctor.get(path, {
    headers: { accept: "application/fhir+json", "x-request-id": "r-1" },
  });
  expect(asked).toMatchObject({
    status: 404,
    body: {
      resourceType: "OperationOutcome",
      extension: [{ valueString: "r-1" }],
      issue: [{ code: "not-found", details: { coding: [{ code: "not_found" }] } }],
    },
  });
  for (const accept of ["*/*", "application/json", "application/problem+json"]) {
    expect((await doctor.get(path, { headers: { accept } })).body, accept).toMatchObject({
      code: "not_found",
    });
  }
  const bundle = { resourceType: "Bundle", type: "transaction", entry: [{ resource: { id: 1 } }] };
  const bad = await doctor.post("/v1/fhir", JSON.stringify(bundle), {
    headers: { "content-type": "application/fhir+json", accept: "application/fhir+json" },
  });
  expect(bad).toMatchObject({ status: 400, body: { resourceType: "OperationOutcome" } });
});

test("the capability statement is true: each type and parameter that it names can be asked for", async () => {
  const guest = service.as(actor("guest"));
  const { status, body } = await guest.get<{
    rest: { resource: { type: string; searchParam: { name: string; type: string }[] }[] }[];
  }>("/v1/fhir/metadata");
  expect(status).toBe(200);
  expect(body).toMatchObject({ resourceType: "CapabilityStatement", fhirVersion: "4.0.1", kind: "instance" });
  const [{ resource } = { resource: [] }] = body.rest;
  expect(resource.length).toBeGreaterThan(100);
  const admin = service.someone("admin");
  const values: Record<string, string> = { date: "2024", token: "x", string: "x" };
  for (const { type, searchParam } of resource.filter(({ searchParam }) => searchParam.length > 3)) {
    const form = new URLSearchParams(
      searchParam.map(({ name, type: kind }): [string, string] => [name, values[kind] ?? ""]),
    );
    const headers = { "content-type": "application/x-www-form-urlencoded", prefer: "handling=strict" };
    const found = await admin.post(`/v1/fhir/${type}/_search`, form.toString(), { headers });
    expect(found.status, type).toBe(200);
  }
});
