import { drainedEvents, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ASPIRIN, givenPatient, type Known, type Records, startRecords } from "../../test/harness.ts";

let service: Records;
let doctor: TestClient;
let patientId: string;
beforeAll(async () => {
  service = await startRecords();
  doctor = service.someone("doctor");
  patientId = await givenPatient(doctor);
});
afterAll(() => service?.close());

const create = (key: string, medication: string, by = doctor) =>
  by.post<Known & { code?: string }>(
    "/v1/prescriptions",
    { ...ASPIRIN, patientId, medication },
    { headers: { "idempotency-key": key } },
  );
const made = async (): Promise<number> => {
  const events = await drainedEvents(service.context.pool);
  return events.filter(({ type }) => type === "medvault.records.prescription.created.v1").length;
};
const count = async (table: string): Promise<number> => {
  const { rows } = await service.context.pool.query<{ n: number }>(`select count(*) as n from ${table}`);
  return rows[0]?.n ?? 0;
};
const stored = () => count("prescriptions");
const keptKeys = () => count("idempotency_keys");

test("of many at once with one key one is made, with one event, and all have its answer", async () => {
  await made();
  const before = await stored();
  const answers = await Promise.all(Array.from({ length: 20 }, () => create("race", "Racedrug")));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  expect(answers.filter(({ headers }) => headers.get("idempotency-replayed") === null)).toHaveLength(1);
  expect(new Set(answers.map(({ headers }) => headers.get("etag")))).toEqual(new Set(['"1"']));
  expect([(await stored()) - before, (await made()) >= 1]).toEqual([1, true]);
});

test("the same key with another body is refused, and nothing is made", async () => {
  await create("body", "First");
  const before = await stored();
  const answer = await create("body", "Second");
  expect([answer.status, answer.body.code]).toEqual([422, "idempotency_key_reused"]);
  expect((await create("a\u00e9", "Third")).status).toBe(400);
  expect(await stored()).toBe(before);
});

test("who does not reach the patient makes nothing, keeps no key, and is answered as for nobody", async () => {
  const stranger = service.someone("doctor");
  const [before, keys] = [await stored(), await keptKeys()];
  const answer = await create("strange", "Drug", stranger);
  expect([answer.status, answer.body.code]).toEqual([404, "not_found"]);
  expect([await stored(), await keptKeys()]).toEqual([before, keys]);
});

test("a patient who is taken off, or whose key goes, between the look and the write gets no row", async () => {
  const pool = service.context.pool;
  const query = pool.query.bind(pool);
  for (const take of [
    "delete from care_team where patient_id = $1",
    "delete from subject_keys where subject_id = $1",
    "delete from patients where id = $1",
  ]) {
    patientId = await givenPatient(doctor);
    const before = await stored();
    let isTaken = false;
    pool.query = (async (...args: Parameters<typeof pool.query>) => {
      const isWrite = String((args[0] as unknown as { text?: string })?.text ?? args[0]).includes("made as");
      if (isWrite && !isTaken) {
        isTaken = true;
        await query(take, [patientId]);
      }
      return query(...args);
    }) as typeof pool.query;
    try {
      const answer = await create(take.replaceAll(" ", "-"), "Late");
      expect([answer.status, isTaken], take).toEqual([404, true]);
    } finally {
      pool.query = query;
    }
    expect(await stored(), take).toBe(before);
  }
});
