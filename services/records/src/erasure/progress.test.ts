import { type CloudEvent, confirmedErasure, type ErasureView, newId } from "@medvault/contracts";
import { permissionsOf } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { givenPatient, type Records, startRecords } from "../../test/harness.ts";
import { erasureConsumers, takeConfirmations } from "./erasure.consumers.ts";
import { askAgain } from "./progress.service.ts";

let service: Records;
let admin: TestClient;
beforeAll(async () => {
  service = await startRecords();
  admin = service.someone("admin");
});
afterAll(() => service?.close());

let patientId: string;
let number: number;
beforeEach(async () => {
  patientId = await givenPatient(service.someone("doctor"));
  const { body } = await admin.post<ErasureView>(`/v1/patients/${patientId}/erase`, {
    reason: "Asked for by the patient in writing",
  });
  number = body.number ?? 0;
  await service.events();
});

const AT = new Date("2026-11-02T00:00:00.000Z");
function confirmed(by: string, keysFinalAt: Date | null = null, of = number, source = by): CloudEvent {
  const { data, type, subject } = confirmedErasure(
    by,
    { number: of, patientIds: [patientId] },
    AT,
    keysFinalAt,
  );
  const envelope = { specversion: "1.0", datacontenttype: "application/json", source: `/medvault/${source}` };
  return { ...envelope, id: newId(), time: AT.toISOString(), type, subject, data } as CloudEvent;
}
const take = (...events: CloudEvent[]) => inTransaction(service.pool, (tx) => takeConfirmations(events, tx));
const shown = async () => (await admin.get<ErasureView>(`/v1/patients/${patientId}/erasure`)).body;
const types = async () => (await service.events()).map(({ type }) => type);
const ask = (after = new Date(Date.now() + 1_000)) => askAgain(service.context, after);
const makeFinal = (at: Date | null) =>
  service.pool.query("update shreds set final_at = $2 where subject_id = $1", [patientId, at]);

test("it is complete once each service has confirmed, in any order and as often as they like", async () => {
  await take(confirmed("files"), confirmed("files"));
  expect(await shown()).toMatchObject({
    state: "running",
    services: { records: "done", files: "done", auth: "pending" },
    copies: { backup: "pending" },
  });
  await take(confirmed("backup"));
  await service.events();
  await take(confirmed("auth"));
  expect(await types()).toEqual(["medvault.records.erasure.completed.v1"]);
  await take(confirmed("auth"), confirmed("files"), confirmed("backup"));
  expect(await types()).toEqual([]);
  expect(await shown()).toMatchObject({ state: "complete", services: { auth: "done" } });
});

test("the broker lets records bind to what each confirms", () => {
  const mayRead = new RegExp(permissionsOf("records").topic.read);
  for (const { bindings } of erasureConsumers())
    expect(bindings.filter((one) => !mayRead.test(one))).toEqual([]);
});

test("threat: a service confirms what is another's part, or none at all", async () => {
  const foreign = [confirmed("files", null, number, "gateway"), confirmed("files", null, number, "records")];
  for (const event of foreign) await expect(take(event)).rejects.toThrow();
  const { data, ...event } = confirmed("files");
  await expect(take({ ...event, data: { ...data, details: {} } })).rejects.toThrow();
  await take(confirmed("files", AT, number + 1_000));
  expect((await shown()).services).toMatchObject({ files: "pending" });
});

test("a service that was away is asked again until it has confirmed, and the others confirm again", async () => {
  await take(confirmed("files"), confirmed("auth"));
  await service.events();
  await ask(new Date(0));
  expect(await types()).toEqual([]);
  await ask();
  const asked = (await service.events()).filter(({ data }) => data.patientIds.includes(patientId));
  expect(asked).toMatchObject([
    { type: "medvault.records.erasure.announced.v1", data: { details: { number } } },
  ]);
  await take(confirmed("backup"));
  await service.events();
  await ask();
  // All have confirmed, and no key is final here: there is nothing to ask.
  expect((await service.events()).filter(({ data }) => data.patientIds.includes(patientId))).toEqual([]);
});

test("the keys are destroyed once they are final here, in files and in auth: the latest says when", async () => {
  const later = new Date("2026-11-03T00:00:00.000Z");
  await take(confirmed("files"), confirmed("auth", AT), confirmed("backup"));
  await makeFinal(AT);
  await service.events();
  await ask();
  expect((await types()).filter((type) => type.endsWith("announced.v1"))).not.toEqual([]);
  expect((await shown()).keysDestroyedAt).toBeUndefined();
  await service.events();
  await take(confirmed("files", later));
  expect(await types()).toEqual(["medvault.records.erasure.keys-destroyed.v1"]);
  expect((await shown()).keysDestroyedAt).toBe(later.toISOString());
  await take(confirmed("files", AT));
  await ask();
  expect((await shown()).keysDestroyedAt).toBe(later.toISOString());
  const { rows } = await service.pool.query("select account_id from erasure_ledger where number = $1", [
    number,
  ]);
  expect(rows).toEqual([{ account_id: null }]);
});
