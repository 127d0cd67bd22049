import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CloudEvent, confirmedErasure, type ErasureView, newId } from "@medvault/contracts";
import { countInBackups, createKeyring, runFinalRotation } from "@medvault/keys";
import { generateKeyFile } from "@medvault/keys/operations";
import { inTransaction } from "@medvault/postgres";
import { createTestDatabase } from "@medvault/testing";
import { expect, onTestFinished, test } from "vitest";
import { givenPatient, givenPrescription, startRecords } from "../../test/harness.ts";
import { takeConfirmations } from "./erasure.consumers.ts";
import { askAgain } from "./progress.service.ts";

test("keysDestroyedAt is there once records itself has rotated its keys, and the keys that remain open the others", async () => {
  const folder = await mkdtemp(join(tmpdir(), "medvault-keys-"));
  const keysFile = join(folder, "records.json");
  await generateKeyFile(keysFile, "records");
  const keyring = await createKeyring({ service: "records", keysFile });
  const database = await createTestDatabase(["records", "backup"]); // which is asked for kept keysets
  const service = await startRecords({ database, keyring });
  onTestFinished(async () => {
    await service.close();
    await database.drop();
    await rm(folder, { recursive: true });
  });
  const [doctor, admin] = [service.someone("doctor"), service.someone("admin")];
  const [erased, other] = [await givenPatient(doctor), await givenPatient(doctor)];
  const drug = await givenPrescription(doctor, other);
  const { body: begun } = await admin.post<ErasureView>(`/v1/patients/${erased}/erase`, {
    reason: "Asked for by the patient in writing",
  });
  const confirmed = (by: string, keysFinalAt: Date | null): CloudEvent => {
    const erasure = { number: begun.number ?? 0, patientIds: [erased] };
    const { data, type, subject } = confirmedErasure(by, erasure, new Date(), keysFinalAt);
    const envelope = { specversion: "1.0", datacontenttype: "application/json", id: newId() };
    const source = `/medvault/${by}`;
    return { ...envelope, source, time: new Date().toISOString(), type, subject, data } as CloudEvent;
  };
  const others = [
    ...[confirmed("files", new Date()), confirmed("auth", new Date())],
    confirmed("backup", null),
  ];
  await inTransaction(service.pool, (tx) => takeConfirmations(others, tx));
  const shown = async () => {
    await askAgain(service.context, new Date(Date.now() + 1_000));
    return (await admin.get<ErasureView>(`/v1/patients/${erased}/erasure`)).body;
  };
  expect(await shown()).toMatchObject({ state: "complete" });
  expect((await shown()).keysDestroyedAt).toBeUndefined();

  const began = new Date().toISOString();
  const rotation = () =>
    runFinalRotation({
      ...{ pool: service.pool, keyring, keysFile, afterHours: 0, graceMs: 0 },
      audit: () => async () => undefined,
      countOutside: (db, version) => countInBackups(db, "records", version),
      logger: { info: () => undefined, warn: () => undefined },
    });
  await expect.poll(rotation).toEqual({ state: "done" });
  const { keysDestroyedAt = "" } = await shown();
  expect(keysDestroyedAt >= began).toBe(true);

  expect(keyring.provider.versions().map(({ state }) => state)).toEqual(["destroyed", "active"]);
  expect((await doctor.get(`/v1/prescriptions/${drug}`)).status).toBe(200);
  expect((await doctor.get(`/v1/patients/${erased}`)).status).toBe(404);
});
