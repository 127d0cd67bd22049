import type { PrescriptionView } from "@medvault/contracts";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ASPIRIN,
  givenPatient,
  givenPrescription,
  type Known,
  nobody,
  type Records,
  startRecords,
  visiblePart,
} from "../../test/harness.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service.close());

type Page = { items: PrescriptionView[]; nextCursor: string | null };
const idsOf = async (answer: Promise<{ body: Page }>) => (await answer).body.items.map((item) => item.id);

test("a prescription is made, read, replaced and deleted, and each act is announced", async () => {
  const doctor = service.someone("doctor");
  const patientId = await givenPatient(doctor);
  await service.events();
  const body = {
    patientId,
    ...ASPIRIN,
    frequency: "daily",
    notes: "with food",
    endDate: "2026-02-15",
    refills: 2,
  };
  const made = await doctor.post<PrescriptionView>("/v1/prescriptions", body);
  expect(made).toMatchObject({ status: 201, body: { ...body, prescribedBy: doctor.actor.id } });
  const path = `/v1/prescriptions/${made.body.id}`;
  const read = await doctor.get<PrescriptionView>(path);
  expect(read.body).toEqual(made.body);
  expect(read.headers.get("etag")).toBe('"1"');
  const {
    prescribedBy: _p,
    prescriber: _r,
    creator: _a,
    updater: _o,
    createdBy: _b,
    updatedBy: _w,
    id: _i,
    createdAt: _c,
    updatedAt: _u,
    ...again
  } = read.body;
  const put = await doctor.put(
    path,
    { ...again, status: "stopped", notes: null },
    { headers: { "if-match": '"1"' } },
  );
  expect(put).toMatchObject({ status: 200, body: { status: "stopped", notes: null, refills: 2 } });
  expect(put.headers.get("etag")).toBe('"2"');
  expect(await doctor.put(path, again, { headers: { "if-match": '"1"' } })).toMatchObject({ status: 412 });
  expect(await doctor.delete(path, { headers: { "if-match": '"1"' } })).toMatchObject({ status: 412 });
  expect((await doctor.delete(path, { headers: { "if-match": '"2"' } })).status).toBe(204);
  expect((await doctor.get(path)).status).toBe(404);
  const events = await service.events();
  expect(events.map((e) => e.type.replace("medvault.records.", ""))).toEqual([
    "prescription.created.v1",
    "prescription.read.v1",
    "prescription.updated.v1",
    "request.failed.v1",
    "request.failed.v1",
    "prescription.deleted.v1",
    "request.denied.v1",
  ]);
  expect(events.slice(0, 3).every((e) => e.data.patientIds[0] === patientId)).toBe(true);
  expect(JSON.stringify(events)).not.toMatch(/acetyl|with food/i);
});

test("a status other than it was sealed with does not open", async () => {
  const doctor = service.someone("doctor");
  const id = await givenPrescription(doctor, await givenPatient(doctor));
  await service.context.pool.query("update prescriptions set status = 'stopped' where id = $1", [id]);
  expect(await doctor.get(`/v1/prescriptions/${id}`)).toMatchObject({
    status: 409,
    body: { code: "row_damaged" },
  });
});

test("a prescription stays with its patient", async () => {
  const doctor = service.someone("doctor");
  const [one, other] = [await givenPatient(doctor), await givenPatient(doctor)];
  const id = await givenPrescription(doctor, one);
  expect(await doctor.put(`/v1/prescriptions/${id}`, { ...ASPIRIN, patientId: other })).toMatchObject({
    status: 400,
    body: { errors: [{ path: "patientId" }] },
  });
});

test("another doctor and another patient cannot distinguish a prescription from none", async () => {
  const doctor = service.someone("doctor");
  const id = await givenPrescription(doctor, await givenPatient(doctor));
  for (const stranger of [service.someone("doctor"), service.someone("patient")]) {
    const probes = (x: string) => [
      stranger.get(`/v1/prescriptions/${x}`),
      stranger.put(`/v1/prescriptions/${x}`, ASPIRIN),
      stranger.delete(`/v1/prescriptions/${x}`),
      stranger.delete(`/v1/prescriptions/${x}`, { headers: { "if-match": '"9"' } }),
    ];
    const [known, unknown] = [await Promise.all(probes(id)), await Promise.all(probes(nobody()))];
    expect(known.map(visiblePart)).toEqual(unknown.map(visiblePart));
    expect(await idsOf(stranger.post("/v1/prescriptions/search", { q: "acetyl" }))).toEqual([]);
    expect(await idsOf(stranger.get("/v1/prescriptions"))).toEqual([]);
  }
});

test("a patient sees their own prescriptions and writes none", async () => {
  const doctor = service.someone("doctor");
  const account = service.someone("patient");
  const patientId = await givenPatient(doctor, { userId: account.actor.id });
  const id = await givenPrescription(doctor, patientId);
  expect(await idsOf(account.get("/v1/prescriptions"))).toEqual([id]);
  expect(await idsOf(account.post("/v1/prescriptions/search", { q: "salicyl" }))).toEqual([id]);
  expect((await account.get(`/v1/prescriptions/${id}`)).status).toBe(200);
  expect((await account.post("/v1/prescriptions", { patientId, ...ASPIRIN })).status).toBe(403);
  expect((await account.delete(`/v1/prescriptions/${id}`)).status).toBe(403);
});

async function givenShelf(): Promise<{ doctor: TestClient; ada: string; bo: string; ids: string[] }> {
  const doctor = service.someone("doctor");
  const ada = await givenPatient(doctor, { givenName: "Adaline", familyName: "Metford" });
  const bo = await givenPatient(doctor, { givenName: "Bo", familyName: "Lindqvist" });
  const ids = [
    await givenPrescription(doctor, ada, { medication: "Lisinopril 10 MG", startDate: "2026-01-01" }),
    await givenPrescription(doctor, bo, { medication: "Metformin 500 MG", startDate: "2026-02-01" }),
    await givenPrescription(doctor, bo, {
      medication: "Lisinopril 20 MG",
      startDate: "2026-03-01",
      status: "stopped",
    }),
    await givenPrescription(doctor, bo, { medication: "Paracétamol 1 G", startDate: "2026-03-01" }),
  ];
  return { doctor, ada, bo, ids };
}

test("search finds part of the medication or of the patient's name, combined with every filter", async () => {
  const { doctor, ada, bo, ids } = await givenShelf();
  const [lisi10, metformin, lisi20, para] = ids;
  const find = (search: object) => idsOf(doctor.post("/v1/prescriptions/search", search));
  expect(await find({ q: "metfor" })).toEqual([metformin, lisi10]);
  expect(await find({ q: "LISINO" })).toEqual([lisi20, lisi10]);
  expect(await find({ q: "paracetamol" })).toEqual([para]);
  expect(await find({ q: "lindqvist bo" })).toEqual([para, lisi20, metformin]);
  expect(await find({ q: "li" })).toEqual([para, lisi20, metformin, lisi10]);
  expect(await find({ q: "lisino", patientId: ada })).toEqual([lisi10]);
  expect(await find({ q: "li", from: "2026-02-01", to: "2026-02-28" })).toEqual([metformin]);
  expect(await find({ q: "li", status: "stopped", patientId: bo })).toEqual([lisi20]);
  expect(await find({ q: "formin 500" })).toEqual([metformin]);
  expect(await find({ q: "metformin lisinopril" })).toEqual([]);
  await service.events();
  await find({ q: "metfor" });
  const [event] = await service.events();
  expect(event).toMatchObject({
    type: "medvault.records.prescription.searched.v1",
    subject: "prescriptions",
  });
  expect(event?.data.patientIds.sort()).toEqual([ada, bo].sort());
  expect(JSON.stringify(event)).not.toContain("metfor");
});

test("lists filter by start, patient and status, latest start first, page by page", async () => {
  const { doctor, bo, ids } = await givenShelf();
  const [lisi10, metformin, lisi20, para] = ids;
  const list = (query: string) => idsOf(doctor.get(`/v1/prescriptions?${query}`));
  expect(await list("")).toEqual([para, lisi20, metformin, lisi10]);
  expect(await list("from=2026-02-01&to=2026-02-28")).toEqual([metformin]);
  expect(await list(`patientId=${bo}&status=active`)).toEqual([para, metformin]);
  for (const read of [
    (cursor: string) => doctor.get<Page>(`/v1/prescriptions?limit=1${cursor && `&cursor=${cursor}`}`),
    (cursor: string) =>
      doctor.post<Page>("/v1/prescriptions/search", { q: "li", limit: 1, ...(cursor && { cursor }) }),
  ]) {
    const seen: string[] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const { body }: { body: Page } = await read(cursor);
      expect(body.items.length).toBeLessThanOrEqual(1);
      seen.push(...body.items.map((item) => item.id));
      cursor = body.nextCursor;
    }
    expect(seen).toEqual([para, lisi20, metformin, lisi10]);
  }
  const first = await doctor.post<Page>("/v1/prescriptions/search", { q: "li", limit: 1 });
  const foreign = { q: "met", limit: 1, cursor: first.body.nextCursor };
  expect((await doctor.post("/v1/prescriptions/search", foreign)).status).toBe(400);
  expect((await doctor.get(`/v1/prescriptions?cursor=${first.body.nextCursor}`)).status).toBe(400);
});

test("an admin's pages hold everyone's, in the same order", async () => {
  const { ids } = await givenShelf();
  const admin = service.someone("admin");
  const all = await idsOf(admin.get("/v1/prescriptions?from=2026-03-01&to=2026-03-01&limit=100"));
  expect(all.indexOf(ids[3] as string)).toBeLessThan(all.indexOf(ids[2] as string));
  expect(all).toEqual([...all].sort().reverse());
});

test.each([
  ["no medication", { medication: undefined }, "medication"],
  ["no dosage", { dosage: undefined }, "dosage"],
  ["an end before its start", { endDate: "2026-01-14" }, "endDate"],
  ["a status that is none", { status: "swallowed" }, "status"],
  ["an unknown field", { price: 1 }, "price"],
  ["half a refill", { refills: 1.5 }, "refills"],
  ["a patient that is no id", { patientId: "ada" }, "patientId"],
])("a prescription with %s is refused with its path", async (_what, fields, path) => {
  const doctor = service.someone("doctor");
  const body = { patientId: nobody(), ...ASPIRIN, ...fields };
  expect(await doctor.post("/v1/prescriptions", body)).toMatchObject({
    status: 400,
    body: { code: "invalid_input", errors: [{ path }] },
  });
});

test("twenty at once with one key make one prescription", async () => {
  const doctor = service.someone("doctor");
  const patientId = await givenPatient(doctor);
  const headers = { "idempotency-key": "one" };
  const answers = await Promise.all(
    Array.from({ length: 20 }, () =>
      doctor.post<Known>("/v1/prescriptions", { patientId, ...ASPIRIN }, { headers }),
    ),
  );
  expect(new Set(answers.map((answer) => `${answer.status} ${answer.body.id}`)).size).toBe(1);
  expect(await idsOf(doctor.get(`/v1/prescriptions?patientId=${patientId}`))).toHaveLength(1);
});
