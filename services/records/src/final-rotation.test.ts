import { randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createKeyring, createSubjectKey } from "@medvault/keys";
import { generateKeyFile, readKeyFile, shredSubject } from "@medvault/keys/operations";
import { createLogger, loadConfig, openTls } from "@medvault/service-kit";
import { createTestBroker, createTestDatabase, listening, testAssertions } from "@medvault/testing";
import { expect, test } from "vitest";
import { composeApp } from "./app.ts";
import { RecordsConfig } from "./config.ts";

/** The service as it boots, on a database in which a patient was shredded, its keys where `keysOf` says. */
async function givenShredded(keysOf: (keysFile: string) => Promise<Record<string, string>>) {
  const db = await createTestDatabase(["records", "backup"]);
  const broker = await createTestBroker();
  const folder = await mkdtemp(join(tmpdir(), "medvault-records-"));
  const keysFile = join(folder, "records.json");
  const jwksFile = join(folder, "gateway.jwks.json");
  await generateKeyFile(keysFile, "records");
  await writeFile(jwksFile, JSON.stringify((await testAssertions()).jwks));
  const pool = db.pool("records");
  const keyring = await createKeyring({ service: "records", keysFile });
  const [survivor, shredded] = [randomUUID(), randomUUID()];
  for (const id of [survivor, shredded]) await createSubjectKey(pool, keyring, id);
  await shredSubject({ pool }, shredded, async () => undefined);
  const config = loadConfig(RecordsConfig, {
    NODE_ENV: "test",
    PORT: "0",
    ADMIN_PORT: "0",
    DATABASE_URL: db.url("records"),
    AMQP_URL: broker.url("records"),
    MEDVAULT_ASSERTION_JWKS_FILE: jwksFile,
    MEDVAULT_FINAL_ROTATION_AFTER_HOURS: "0",
    ...(await keysOf(keysFile)),
  });
  const logger = createLogger({ service: "records", level: "silent" });
  const { app, onStop } = await composeApp(config, logger, await openTls(config, logger));
  const { url, close } = await listening(app);
  return {
    pool,
    keysFile,
    isReady: async () => (await fetch(`${url}/readyz`)).status === 200,
    async stop() {
      await close();
      for (const stop of onStop) await stop();
      await Promise.all([broker.close(), db.drop(), rm(folder, { recursive: true, force: true })]);
    },
  };
}

test("the service as it boots rotates its key by itself after a shred, and stays ready", async () => {
  const house = await givenShredded(async (keysFile) => ({ MEDVAULT_KEYS_FILE: keysFile }));
  try {
    const closed = async () =>
      (await house.pool.query("select version, state from service_key_versions")).rows;
    await expect.poll(closed, { timeout: 15_000 }).toEqual([{ version: 1, state: "retired" }]);
    const { versions } = readKeyFile(house.keysFile, "records").document;
    expect(versions.map(({ state }) => state)).toEqual(["retired", "active"]); // destroyed when no request holds it
    const { rows } = await house.pool.query(
      "select distinct substring(wrapped from 3 for 4) as version from subject_keys",
    );
    expect(rows).toEqual([{ version: Buffer.from([0, 0, 0, 2]) }]);
    expect(await house.isReady()).toBe(true);
  } finally {
    await house.stop();
  }
});

test("a service whose keys come from the environment says that it cannot, changes nothing and stays ready", async () => {
  const house = await givenShredded(async (keysFile) => ({
    MEDVAULT_KEYS: await readFile(keysFile, "utf8"),
  }));
  try {
    const heldUp = async () => (await house.pool.query("select held_up_by from final_rotation")).rows;
    await expect.poll(heldUp, { timeout: 15_000 }).toEqual([{ held_up_by: "keys_not_writable" }]);
    expect((await house.pool.query("select from service_key_versions")).rowCount).toBe(0);
    expect(await house.isReady()).toBe(true);
  } finally {
    await house.stop();
  }
});
