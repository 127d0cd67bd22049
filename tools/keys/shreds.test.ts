import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Worker } from "node:worker_threads";
import { createKeyring, createSubjectKey } from "@medvault/keys";
import { createTestDatabase, drainedEvents, type TestDatabase } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeKeysPlace, runTool } from "../test/harness.ts";

const WITH_KEYS = ["auth", "records", "files", "audit", "backup"] as const;

let database: TestDatabase;
let dir: string;
beforeAll(async () => {
  database = await createTestDatabase(WITH_KEYS);
  dir = await mkdtemp(path.join(tmpdir(), "medvault-shreds-"));
  await makeKeysPlace(dir, Object.fromEntries(WITH_KEYS.map((name) => [name, database.url(name)])));
});
afterAll(async () => {
  await database?.drop();
  await rm(dir, { recursive: true });
});

const fileOf = (service: string) => path.join(dir, "keys", `${service}.json`);

async function keys(...args: string[]): Promise<{ code: number; answer: Record<string, unknown> }> {
  const { code, out } = await runTool("keys", [...args, "--json"], { MEDVAULT_DATA: dir });
  return { code, answer: JSON.parse(out || "{}") };
}

test("the doctor says that a shred is overdue, and why; a final rotation by hand makes it final, with its event", async () => {
  const pool = database.pool("records");
  const patientId = randomUUID();
  const keyring = await createKeyring({ service: "records", keysFile: fileOf("records") });
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
  const server = new Worker(new URL("../../libs/keys/test/transit-server.ts", import.meta.url), {
    workerData: { token: "hvs.test" },
  });
  try {
    const [{ url }] = (await once(server, "message")) as [{ url: string }];
    const headers = { "x-vault-token": "hvs.test" };
    await fetch(`${url}/v1/transit/keys/mv`, { method: "POST", headers });
    const tokenFile = path.join(dir, "token");
    await writeFile(tokenFile, "hvs.test", { mode: 0o600 });
    const place = ["--url", url, "--token-file", tokenFile, "--key-name", "mv"];
    expect(await keys("to-vault", "files", ...place)).toMatchObject({ code: 0 });
    expect(await keys("doctor", "files")).toMatchObject({ code: 0 });
    server.postMessage({ ttl: 7_000 });
    const findings = async () => (await keys("doctor", "files")).answer.findings;
    expect(await findings()).toMatchObject([{ check: "vault", says: expect.stringContaining("in 2 h") }]);
    await writeFile(tokenFile, "hvs.expired");
    expect(await findings()).toMatchObject([
      { check: "vault", says: expect.stringContaining("has expired") },
    ]);
  } finally {
    await server.terminate();
  }
}, 180_000);
