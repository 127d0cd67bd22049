import { createHash, createPublicKey, verify } from "node:crypto";
import type { IntegrityView, MedicalRecordView } from "@medvault/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  givenPatient,
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

const NOTE = {
  type: "note",
  title: "Visit; DROP TABLE <b>patients</b>",
  body: "  BP <120 & >80, O'Brien said: SELECT * FROM feelings\n\t{{7*7}} \u00e9\u0301 🩺  ",
  code: "11488-4",
  occurredAt: "2026-03-01T09:30:00+02:00",
} as const;

async function givenRecord(fields: object = {}) {
  const doctor = service.someone("doctor");
  const patientId = await givenPatient(doctor);
  const made = await doctor.post<MedicalRecordView>(`/v1/patients/${patientId}/records`, {
    ...NOTE,
    ...fields,
  });
  expect(made.status).toBe(201);
  return { doctor, patientId, id: made.body.id, made };
}

test("clinical text is kept to the letter, times become UTC, and the write is announced with its box", async () => {
  const { doctor, patientId, id, made } = await givenRecord();
  expect(made.body).toMatchObject({
    ...NOTE,
    code: { system: null, code: NOTE.code, display: null, known: false },
    occurredAt: "2026-03-01T07:30:00.000Z",
    version: 1,
    hiddenAt: null,
  });
  expect((await service.events()).at(-1)).toMatchObject({
    type: "medvault.records.record.created.v1",
    subject: `record/${id}`,
    data: { patientIds: [patientId], details: { rev: 1, version: 1, boxSha256: expect.any(String) } },
  });
  const read = await doctor.get(`/v1/records/${id}`);
  expect(read.body).toEqual(made.body);
  expect(read.headers.get("etag")).toBe('"1"');
  expect(await service.events()).toMatchObject([
    { type: "medvault.records.record.read.v1", data: { patientIds: [patientId], action: "record:read" } },
  ]);
});

test("a change makes a version, keeps the former, and honours If-Match", async () => {
  const { doctor, id } = await givenRecord();
  const second = {
    type: "diagnosis",
    title: "Asthma",
    body: "Confirmed",
    occurredAt: "2026-03-02T00:00:00Z",
  };
  const put = (rev: string) =>
    doctor.put(`/v1/records/${id}`, second, { headers: { "if-match": `"${rev}"` } });
  const changed = await put("1");
  expect(changed).toMatchObject({
    status: 200,
    body: { ...second, occurredAt: "2026-03-02T00:00:00.000Z", version: 2, code: null },
  });
  expect(changed.headers.get("etag")).toBe('"2"');
  expect(await put("1")).toMatchObject({ status: 412, body: { code: "version_conflict" } });
  const { body } = await doctor.get<{ items: MedicalRecordView[] }>(`/v1/records/${id}/versions`);
  expect(body.items).toMatchObject([
    { id, version: 2, title: "Asthma" },
    { id, version: 1, title: NOTE.title, body: NOTE.body },
  ]);
});

test("of twenty changes at once to one revision, one wins", async () => {
  const { doctor, id } = await givenRecord();
  const answers = await Promise.all(
    Array.from({ length: 20 }, () =>
      doctor.put(`/v1/records/${id}`, NOTE, { headers: { "if-match": '"1"' } }),
    ),
  );
  expect(answers.map((answer) => answer.status).sort()).toEqual([200, ...Array<number>(19).fill(412)]);
  const { body } = await doctor.get<{ items: unknown[] }>(`/v1/records/${id}/versions`);
  expect(body.items).toHaveLength(2);
});

test("a hidden record is gone from lists and reads, and kept for those who write", async () => {
  const account = service.someone("patient");
  const doctor = service.someone("doctor");
  const patientId = await givenPatient(doctor, { userId: account.actor.id });
  const { body } = await doctor.post<Known>(`/v1/patients/${patientId}/records`, NOTE);
  const path = `/v1/records/${body.id}`;
  expect((await account.get(path)).status).toBe(200);
  expect((await account.delete(path)).status).toBe(403);
  expect((await doctor.delete(path)).status).toBe(204);
  expect((await doctor.get(path)).status).toBe(404);
  expect((await doctor.delete(path)).status).toBe(404);
  expect((await doctor.put(path, NOTE)).status).toBe(404);
  expect((await doctor.get<{ items: [] }>(`/v1/patients/${patientId}/records`)).body.items).toEqual([]);
  expect(await doctor.get(`${path}/versions`)).toMatchObject({
    status: 200,
    body: { items: [{ title: NOTE.title, hiddenAt: expect.any(String) }] },
  });
  expect((await account.get(`${path}/versions`)).status).toBe(404);
});

test("another doctor and another patient cannot distinguish a record from none", async () => {
  const { id } = await givenRecord();
  for (const stranger of [service.someone("doctor"), service.someone("patient")]) {
    const probes = (x: string) => [
      stranger.get(`/v1/records/${x}`),
      stranger.put(`/v1/records/${x}`, NOTE),
      stranger.put(`/v1/records/${x}`, NOTE, { headers: { "if-match": '"7"' } }),
      stranger.delete(`/v1/records/${x}`),
      stranger.get(`/v1/records/${x}/versions`),
      stranger.get(`/v1/records/${x}/integrity`),
    ];
    const [known, unknown] = [await Promise.all(probes(id)), await Promise.all(probes(nobody()))];
    expect(known.map(visiblePart)).toEqual(unknown.map(visiblePart));
    expect(visiblePart(known[0] as never)).toEqual(visiblePart(await stranger.get("/v1/records/no-id")));
  }
});

test("hash and signature can be checked by anyone with the answer alone", async () => {
  const { doctor, id } = await givenRecord();
  const { body } = await doctor.get<IntegrityView>(`/v1/records/${id}/integrity`);
  expect(body).toMatchObject({ valid: true, signedBy: doctor.actor.id, version: 1 });
  const content = `{"body":${JSON.stringify(NOTE.body)},"code":"11488-4","occurredAt":"2026-03-01T07:30:00.000Z","title":${JSON.stringify(NOTE.title)},"type":"note"}`;
  expect(createHash("sha256").update(content).digest("hex")).toBe(body.contentHash);
  expect(JSON.parse(body.statement)).toMatchObject({
    recordId: id,
    version: 1,
    contentHash: body.contentHash,
  });
  const signature = Buffer.from(body.signature, "base64");
  expect(verify(null, Buffer.from(body.statement), createPublicKey(body.publicKey), signature)).toBe(true);
});

test("a list is latest first, pages with equal times lose nothing, and the type filters", async () => {
  const doctor = service.someone("doctor");
  const patientId = await givenPatient(doctor);
  const at = (type: string, occurredAt: string) =>
    doctor.post<Known>(`/v1/patients/${patientId}/records`, { ...NOTE, type, occurredAt });
  const made: string[] = [];
  for (const type of ["note", "lab", "note", "allergy", "note"]) {
    made.unshift((await at(type, "2025-01-01T00:00:00Z")).body.id);
  }
  const latest = (await at("lab", "2026-01-01T00:00:00Z")).body.id;
  type Page = { items: Known[]; nextCursor: string | null };
  const seen: string[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const { body }: { body: Page } = await doctor.get<Page>(
      `/v1/patients/${patientId}/records?limit=2${cursor && `&cursor=${cursor}`}`,
    );
    seen.push(...body.items.map((item) => item.id));
    cursor = body.nextCursor;
  }
  expect(seen).toEqual([latest, ...made]);
  const labs = await doctor.get<Page>(`/v1/patients/${patientId}/records?type=lab`);
  expect(labs.body.items.map((item) => item.id)).toEqual([latest, made[3]]);
});

test.each([
  ["a type that is none", { type: "poem" }, "type"],
  ["a time without a zone", { occurredAt: "2026-03-01T09:30:00" }, "occurredAt"],
  ["a year that Postgres has not", { occurredAt: "0001-01-01T00:00:00+05:00" }, "occurredAt"],
  ["an empty body", { body: "" }, "body"],
  ["a body beyond its limit", { body: "x".repeat(100_001) }, "body"],
  ["a field of the inside", { patientId: nobody() }, "patientId"],
])("a record with %s is refused with its path", async (_what, fields, path) => {
  const doctor = service.someone("doctor");
  const patientId = await givenPatient(doctor);
  const answer = await doctor.post(`/v1/patients/${patientId}/records`, { ...NOTE, ...fields });
  expect(answer).toMatchObject({ status: 400, body: { code: "invalid_input", errors: [{ path }] } });
});

test("a repeated PUT with its key makes one version", async () => {
  const { doctor, id } = await givenRecord();
  const headers = { "idempotency-key": "second" };
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => doctor.put<MedicalRecordView>(`/v1/records/${id}`, NOTE, { headers })),
  );
  expect(new Set(answers.map((a) => `${a.status} ${a.body.version} ${a.headers.get("etag")}`))).toEqual(
    new Set(['200 2 "2"']),
  );
});

test("threat: a record that was hidden is noted where no restore rewinds, and hidden again it still opens for its writers", async () => {
  const { doctor, id, patientId } = await givenRecord();
  const { pool } = service.context;
  expect((await doctor.delete(`/v1/records/${id}`)).status).toBe(204);
  const { rows } = await pool.query("select table_name from hides where row_id = $1", [id]);
  expect(rows).toEqual([{ table_name: "medical_records" }]);

  // As a restore leaves it: the box of before, and hidden beside it.
  const shown = (await doctor.post<Known>(`/v1/patients/${patientId}/records`, NOTE)).body.id;
  await pool.query(
    `update medical_records set sealed_as = '{"hidden_at": null}', hidden_at = now() where id = $1`,
    [shown],
  );
  expect((await doctor.get(`/v1/records/${shown}`)).status).toBe(404);
  expect((await doctor.get(`/v1/patients/${patientId}/records`)).body).toMatchObject({ items: [] });
  expect((await doctor.get(`/v1/records/${shown}/versions`)).body).toMatchObject({
    items: [{ id: shown, title: NOTE.title, hiddenAt: expect.any(String) }],
  });
});
