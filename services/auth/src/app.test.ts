import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { generateKeyFile } from "@medvault/keys/operations";
import { createLogger, openTls } from "@medvault/service-kit";
import {
  actor,
  createTestBroker,
  createTestDatabase,
  createTestRedis,
  listening,
  pendingEvents,
  signedIn,
  testAssertions,
} from "@medvault/testing";
import { expect, test } from "vitest";
import { composeApp } from "./app.ts";
import { readConfig } from "./config.ts";

test("the service boots on its settings, fills Redis, mails to files, sends its events, and stops", async () => {
  const [db, redis, broker, assertions] = await Promise.all([
    createTestDatabase(["auth"]),
    createTestRedis(),
    createTestBroker(),
    testAssertions(),
  ]);
  const dir = await mkdtemp(path.join(tmpdir(), "medvault-auth-"));
  try {
    const keysFile = path.join(dir, "auth.json");
    const jwksFile = path.join(dir, "gateway.jwks.json");
    const mailDir = path.join(dir, "mail");
    await generateKeyFile(keysFile, "auth");
    await writeFile(jwksFile, JSON.stringify(assertions.jwks));
    const config = readConfig({
      NODE_ENV: "test",
      PORT: "0",
      ADMIN_PORT: "0",
      DATABASE_URL: db.url("auth"),
      AMQP_URL: broker.url("auth"),
      REDIS_URL: redis.url,
      MEDVAULT_KEYS_FILE: keysFile,
      MEDVAULT_ASSERTION_JWKS_FILE: jwksFile,
      MEDVAULT_MAIL_DIR: mailDir,
    });
    const logger = createLogger({ service: "auth", level: "silent" });
    const { app, onStop } = await composeApp(config, logger, await openTls(config, logger));
    const { url, close } = await listening(app);
    await expect
      .poll(async () => (await fetch(`${url}/readyz`)).json(), { timeout: 10_000 })
      .toEqual({ status: "ok", checks: { postgres: "ok", redis: "ok", rabbitmq: "ok" } });
    await expect.poll(() => redis.client.get("sessions:filled")).toMatch(/^[0-9a-f]{40}$/);
    expect(await redis.client.get("scope:guest")).toBe("");

    const bare = await fetch(`${url}/v1/auth/login`, { method: "POST" });
    expect(bare.status).toBe(401); // no assertion of the gateway: nothing
    const guest = signedIn(app, actor("guest"));
    const person = { username: "somebody", email: "s@home.example", password: "Vf7#kaleidoscope-Mq" };
    expect((await guest.post("/v1/auth/register", person)).status).toBe(201);
    expect((await guest.post("/v1/auth/password/forgot", { email: person.email })).status).toBe(202);
    await expect.poll(() => readdir(mailDir).catch(() => []), { timeout: 10_000 }).toHaveLength(2);
    const [name = ""] = await readdir(mailDir);
    expect(await readFile(path.join(mailDir, name), "utf8")).toContain("To: s@home.example");
    await expect.poll(() => pendingEvents(db.pool("auth")), { timeout: 10_000 }).toEqual([]);

    await close();
    for (const stop of onStop) await stop();
  } finally {
    await rm(dir, { recursive: true, force: true });
    await Promise.all([db.drop(), redis.close(), broker.close()]);
  }
});

test("bad settings are all named, and none is shown", () => {
  const read = () =>
    readConfig({ PORT: "x", DATABASE_URL: "mysql://secret", MEDVAULT_SESSION_IDLE_MINUTES: "0" });
  expect(read).toThrow(/PORT.*DATABASE_URL.*MEDVAULT_SESSION_IDLE_MINUTES/);
  expect(read).not.toThrow(/secret/);
});
