import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateKeyFile } from "@medvault/keys/operations";
import { createLogger, loadConfig, openTls } from "@medvault/service-kit";
import {
  actor,
  createTestBroker,
  createTestDatabase,
  listening,
  signedIn,
  testAssertions,
} from "@medvault/testing";
import { expect, test } from "vitest";
import { ADA, type Known } from "../test/house.ts";
import { composeApp } from "./app.ts";
import { RecordsConfig } from "./config.ts";

test("the service as it boots is ready, serves, and hands its events to the broker", async () => {
  const [db, broker, folder] = [
    await createTestDatabase(["records"]),
    await createTestBroker(),
    await mkdtemp(join(tmpdir(), "medvault-records-")),
  ];
  const [keysFile, jwksFile] = [join(folder, "records.json"), join(folder, "gateway.jwks.json")];
  await generateKeyFile(keysFile, "records");
  await writeFile(jwksFile, JSON.stringify((await testAssertions()).jwks));
  const config = loadConfig(RecordsConfig, {
    NODE_ENV: "test",
    PORT: "0",
    ADMIN_PORT: "0",
    DATABASE_URL: db.url("records"),
    AMQP_URL: broker.url("records"),
    MEDVAULT_KEYS_FILE: keysFile,
    MEDVAULT_ASSERTION_JWKS_FILE: jwksFile,
  });
  const logger = createLogger({ service: "records", level: "silent" });
  const { app, onStop } = await composeApp(config, logger, await openTls(config, logger));
  const { url, close } = await listening(app);
  try {
    const doctor = signedIn(url, actor("doctor"));
    const made = await doctor.post<Known>("/v1/patients", ADA);
    expect(made.status).toBe(201);
    expect((await doctor.get(`/v1/patients/${made.body.id}`)).status).toBe(200);
    await expect
      .poll(async () => (await doctor.get("/readyz")).body, { timeout: 10_000 })
      .toEqual({ status: "ok", checks: { postgres: "ok", rabbitmq: "ok" } });
    const waiting = () =>
      db
        .pool("records")
        .query("select from outbox")
        .then(({ rowCount }) => rowCount);
    await expect.poll(waiting, { timeout: 10_000 }).toBe(0);
  } finally {
    await close();
    for (const stop of onStop) await stop();
    await Promise.all([broker.close(), db.drop(), rm(folder, { recursive: true, force: true })]);
  }
});
