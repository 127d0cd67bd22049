import { announcedErasure, type CloudEvent, newId, type UploadAnswer } from "@medvault/contracts";
import { findSubjectKeys } from "@medvault/keys";
import { inTransaction } from "@medvault/postgres";
import { drainedEvents } from "@medvault/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type Files, form, get, type Person, startFiles, upload } from "../../test/harness.ts";
import { forgetPatients } from "./erasure.consumers.ts";

let files: Files;
let doctor: Person;
beforeAll(async () => {
  files = await startFiles();
});
afterAll(() => files?.stop());
beforeEach(async () => {
  doctor = await files.person("doctor");
  await files.pool.query("delete from outbox");
});

const TEXT = Buffer.from("hello\n");
const send = (patientId: string, headers = {}) =>
  upload(files, doctor, form(["patientId", patientId], ["files", TEXT, "a.txt", "text/plain"]), headers);

function announced(...patientIds: string[]): CloudEvent {
  const { data, type, subject } = announcedErasure({
    ...{ number: 7, patientIds, erasedAt: "2026-11-01T00:00:00.000Z", previous: "0".repeat(64) },
    ...{ publicKey: "A".repeat(43), signature: `${"A".repeat(86)}==`, accountId: null },
  });
  const envelope = { specversion: "1.0", datacontenttype: "application/json", source: "/medvault/records" };
  return { ...envelope, id: newId(), time: new Date().toISOString(), type, subject, data } as CloudEvent;
}
const tell = (...events: CloudEvent[]) =>
  inTransaction(files.pool, (tx) => forgetPatients(files.context, events, tx));

test("files, blobs, kept answers and keys of an erased chart are gone, and confirmed; another's are not", async () => {
  const [gone, merged, stays] = [files.patientOf(doctor), files.patientOf(doctor), files.patientOf(doctor)];
  const key = { "idempotency-key": newId() };
  const [mine, other] = [await send(gone, key), await send(stays)];
  expect((await send(merged)).status).toBe(201);
  const event = announced(gone, merged);
  await drainedEvents(files.pool);
  await tell(event);
  expect(await files.rows()).toBe(1);
  await expect.poll(() => files.onDisk()).toHaveLength(1);
  expect([...(await findSubjectKeys(files.pool, [gone, merged, stays])).keys()]).toEqual([stays]);
  const read = (answer: { body: UploadAnswer }) =>
    get(files, doctor, `/v1/files/${answer.body.items[0]?.id}`).then(({ status }) => status);
  expect([await read(mine as never), await read(other as never)]).toEqual([404, 200]);
  const told = (await drainedEvents(files.pool)).filter(({ subject }) => subject === "erasure/7");
  expect(told).toMatchObject([
    {
      type: "medvault.files.patient.erased.v1",
      data: { patientIds: [gone, merged], details: { number: 7, files: 2, answers: 1 } },
    },
    { type: "medvault.files.erasure.confirmed.v1", data: { details: { number: 7, keysFinalAt: null } } },
  ]);
  // The kept answer is gone too: the upload is made again, for nobody.
  expect((await send(gone, key)).status).toBe(404);
});

test("told again it does nothing more and confirms again, and says once its keys are final", async () => {
  const patientId = files.patientOf(doctor);
  await send(patientId);
  const event = announced(patientId);
  await tell(event, event);
  const at = new Date("2026-11-02T00:00:00.000Z");
  await files.pool.query("update shreds set final_at = $2 where subject_id = $1", [patientId, at]);
  await drainedEvents(files.pool);
  await tell(event);
  expect(await drainedEvents(files.pool)).toMatchObject([
    { type: "medvault.files.erasure.confirmed.v1", data: { details: { keysFinalAt: at.toISOString() } } },
  ]);
});

test("what is no erasure throws, and nothing is deleted", async () => {
  const patientId = files.patientOf(doctor);
  await send(patientId);
  const event = announced(patientId);
  const broken = { ...event, data: { ...event.data, details: {} } };
  const rows = await files.rows();
  await expect(tell(broken)).rejects.toThrow();
  expect(await files.rows()).toBe(rows);
});

test("threat: an upload that was allowed before the erasure is stored after it", async () => {
  const patientId = files.patientOf(doctor);
  await tell(announced(patientId));
  const onDisk = await files.onDisk();
  // Records, which is asked first, would say no; this upload had its yes already.
  expect(await send(patientId)).toMatchObject({ status: 404, body: { code: "not_found" } });
  expect(await files.onDisk()).toEqual(onDisk);
  expect((await findSubjectKeys(files.pool, [patientId])).size).toBe(0);
});

test("uploads that race an erasure are erased with the rest, or find nobody", async () => {
  for (let round = 0; round < 3; round++) {
    const patientId = files.patientOf(doctor);
    if (round > 0) await send(patientId);
    const before = { rows: await files.rows(), disk: (await files.onDisk()).length };
    const sent = Promise.all(Array.from({ length: 6 }, () => send(patientId)));
    await tell(announced(patientId));
    for (const { status } of await sent) expect([201, 404]).toContain(status);
    const had = round > 0 ? 1 : 0;
    expect(await files.rows()).toBe(before.rows - had);
    await expect.poll(async () => (await files.onDisk()).length).toBe(before.disk - had);
    expect((await findSubjectKeys(files.pool, [patientId])).size).toBe(0);
  }
});
