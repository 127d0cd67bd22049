import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { createSubjectKey } from "@medvault/keys";
import { createTestDatabase, drainedEvents, type TestDatabase } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { givenVault, type KeysPlace, makeKeysPlace } from "../test/harness.ts";

const WITH_KEYS = ["auth", "records", "files", "audit", "backup"] as const;

let database: TestDatabase;
let place: KeysPlace;
beforeAll(async () => {
  database = await createTestDatabase(WITH_KEYS);
  place = await makeKeysPlace(database, WITH_KEYS);
});
afterAll(async () => {
  await database?.drop();
  await place.remove();
});

const keys: KeysPlace["keysJson"] = (...args) => place.keysJson(...args);

test("the doctor says that a shred is overdue, and why; a final rotation by hand makes it final, with its event", async () => {
  const pool = database.pool("records");
  const patientId = randomUUID();
  const keyring = await place.keyringOf("records");
  await createSubjectKey(pool, keyring, patientId);
  expect(await keys("shred", patientId)).toMatchObject({ code: 0 });
  expect(await keys("doctor", "records")).toMatchObject({ code: 0, answer: { findings: [] } });
  await pool.query("update shreds set shredded_at = now() - interval '25 hours'");
  await pool.query("update final_rotation set held_up_by = 'keys_not_writable'");
  expect(await keys("doctor", "records")).toMatchObject({
    code: 1,
    answer: {
      findings: [
        {
          service: "records",
          check: "shreds",
          says: expect.stringMatching(/^1 shreds .*cannot write its keys/),
        },
      ],
    },
  });
  await drainedEvents(pool);
  expect(await keys("rotate", "records", "--final")).toMatchObject({
    code: 0,
    answer: { destroyed: [1], final: 1 },
  });
  expect(await keys("doctor", "records")).toMatchObject({ code: 0 });
  const events = await drainedEvents(pool);
  expect(events.find(({ type }) => type === "medvault.records.keys.shred-final.v1")?.data).toMatchObject({
    actor: null,
    patientIds: [patientId],
    details: { shreds: 1, upToVersion: 1 },
  });
  expect(events.at(-1)).toMatchObject({ type: "medvault.records.keys.doctor.v1" });
}, 180_000);

test("the doctor says that a Vault token is about to expire, or that Vault refuses it", async () => {
  const vault = await givenVault(place.dir);
  expect(await keys("to-vault", "files", ...vault.args)).toMatchObject({ code: 0 });
  expect(await keys("doctor", "files")).toMatchObject({ code: 0 });
  vault.server.postMessage({ ttl: 7_000 });
  const findings = async () => (await keys("doctor", "files")).answer.findings;
  expect(await findings()).toMatchObject([{ check: "vault", says: expect.stringContaining("in 2 h") }]);
  await writeFile(vault.tokenFile, "hvs.expired");
  expect(await findings()).toMatchObject([{ check: "vault", says: expect.stringContaining("has expired") }]);
}, 180_000);
