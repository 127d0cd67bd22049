import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createKeyring, createSubjectKey } from "@medvault/keys";
import { readKeyFile, shredSubject } from "@medvault/keys/operations";
import { actor, signedIn } from "@medvault/testing";
import type pg from "pg";
import { expect, test } from "vitest";
import { ADA, type Known } from "../test/harness.ts";
import { startProcess } from "../test/process.ts";

const READY = {
  status: "ok",
  checks: { postgres: "ok", rabbitmq: "ok", parked_messages: "ok", rows: "ok" },
};

test("the service as it boots is ready, serves, and hands its events to the broker", async () => {
  const service = await startProcess(async (_, keysFile) => ({ MEDVAULT_KEYS_FILE: keysFile }));
  try {
    const doctor = signedIn(service.url, actor("doctor"));
    const made = await doctor.post<Known>("/v1/patients", ADA);
    expect(made.status).toBe(201);
    expect((await doctor.get(`/v1/patients/${made.body.id}`)).status).toBe(200);
    await expect.poll(service.ready, { timeout: 10_000 }).toEqual(READY);
    // Its jobs load the search index, and put into it what was made since.
    await expect.poll(service.metrics, { timeout: 10_000 }).toMatch(/^search_index_whole 1\n/m);
    await expect.poll(service.metrics, { timeout: 10_000 }).toMatch(/^search_index_patients 1\n/m);
    expect(await service.metrics()).toMatch(/^search_index_lag_seconds \d/m);
    const waiting = async () => (await service.pool.query("select from outbox")).rowCount;
    await expect.poll(waiting, { timeout: 10_000 }).toBe(0);
  } finally {
    expect(await service.stop()).toBe(0);
  }
});

/** A database in which a patient was shredded. */
async function shredOne(pool: pg.Pool, keysFile: string): Promise<void> {
  const keyring = await createKeyring({ service: "records", keysFile });
  const [survivor, shredded] = [randomUUID(), randomUUID()];
  for (const id of [survivor, shredded]) await createSubjectKey(pool, keyring, id);
  await shredSubject({ pool }, shredded, async () => undefined);
}

test("the service as it boots rotates its key by itself after a shred, and stays ready", async () => {
  const service = await startProcess(async (pool, keysFile) => {
    await shredOne(pool, keysFile);
    return { MEDVAULT_FINAL_ROTATION_AFTER_HOURS: "0", MEDVAULT_KEYS_FILE: keysFile };
  });
  try {
    const closed = async () =>
      (await service.pool.query("select version, state from service_key_versions")).rows;
    await expect.poll(closed, { timeout: 15_000 }).toEqual([{ version: 1, state: "retired" }]);
    const { versions } = readKeyFile(service.keysFile, "records").document;
    expect(versions.map(({ state }) => state)).toEqual(["retired", "active"]); // destroyed when no request holds it
    const { rows } = await service.pool.query(
      "select distinct substring(wrapped from 3 for 4) as version from subject_keys",
    );
    expect(rows).toEqual([{ version: Buffer.from([0, 0, 0, 2]) }]);
    expect(await service.ready()).toEqual(READY);
  } finally {
    await service.stop();
  }
});

test("a service whose keys come from the environment says that it cannot, changes nothing and stays ready", async () => {
  const service = await startProcess(async (pool, keysFile) => {
    await shredOne(pool, keysFile);
    const keys = await readFile(keysFile, "utf8");
    return { MEDVAULT_FINAL_ROTATION_AFTER_HOURS: "0", MEDVAULT_KEYS: keys };
  });
  try {
    const heldUp = async () => (await service.pool.query("select held_up_by from final_rotation")).rows;
    await expect.poll(heldUp, { timeout: 15_000 }).toEqual([{ held_up_by: "keys_not_writable" }]);
    expect((await service.pool.query("select from service_key_versions")).rowCount).toBe(0);
    expect(await service.ready()).toEqual(READY);
  } finally {
    await service.stop();
  }
});
