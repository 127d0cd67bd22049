import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { generateKeyFile } from "@medvault/keys/operations";
import { loadConfig } from "@medvault/service-kit";
import {
  actor,
  createTestBroker,
  createTestDatabase,
  createTestRedis,
  pendingEvents,
  signedIn,
  testAssertions,
} from "@medvault/testing";
import { expect, test } from "vitest";
import { AuthConfig } from "./config.ts";

test("the service boots on its settings, fills Redis, mails to files, sends its events, and stops", async () => {
  const [db, redis, broker, assertions] = await Promise.all([
    createTestDatabase(["auth"]),
    createTestRedis(),
    createTestBroker(),
    testAssertions(),
  ]);
  const dir = await mkdtemp(path.join(tmpdir(), "medvault-auth-"));
  const keysFile = path.join(dir, "auth.json");
  const jwksFile = path.join(dir, "gateway.jwks.json");
  const mailDir = path.join(dir, "mail");
  await generateKeyFile(keysFile, "auth");
  await writeFile(jwksFile, JSON.stringify(assertions.jwks));
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  const child = spawn(process.execPath, [main], {
    env: {
      NODE_ENV: "test",
      PORT: "0",
      ADMIN_PORT: "0",
      DATABASE_URL: db.url("auth"),
      AMQP_URL: broker.url("auth"),
      REDIS_URL: redis.url,
      MEDVAULT_KEYS_FILE: keysFile,
      MEDVAULT_ASSERTION_JWKS_FILE: jwksFile,
      MEDVAULT_MAIL_DIR: mailDir,
      MEDVAULT_RECORDS_URL: "http://127.0.0.1:1",
      MEDVAULT_AUDIT_URL: "http://127.0.0.1:1",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise((resolve) => child.on("exit", resolve));
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  try {
    const listening = () => out.split("\n").find((line) => line.includes('"msg":"listening"'));
    await expect.poll(listening, { timeout: 20_000 }).toBeDefined();
    const { port, adminPort } = JSON.parse(listening() ?? "") as Record<string, number>;
    const ready = async () => (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).json();
    const checks = { postgres: "ok", redis: "ok", rabbitmq: "ok", mail: "ok", parked_messages: "ok" };
    await expect.poll(ready, { timeout: 10_000 }).toEqual({ status: "ok", checks });
    await expect
      .poll(() => redis.client.get("sessions:filled"), { timeout: 5_000 })
      .toMatch(/^[0-9a-f]{40}$/);
    expect(await redis.client.get("scope:guest")).toBe("account:register:own");

    const url = `http://127.0.0.1:${port}`;
    const bare = await fetch(`${url}/v1/auth/login`, { method: "POST" });
    expect(bare.status).toBe(401); // no assertion of the gateway: nothing
    const guest = signedIn(url, actor("guest"));
    const person = { username: "somebody", email: "s@home.example", password: "Vf7#kaleidoscope-Mq" };
    expect((await guest.post("/v1/auth/register", person)).status).toBe(201);
    expect((await guest.post("/v1/auth/password/forgot", { email: person.email })).status).toBe(202);
    await expect.poll(() => readdir(mailDir).catch(() => []), { timeout: 10_000 }).toHaveLength(2);
    const [name = ""] = await readdir(mailDir);
    expect(await readFile(path.join(mailDir, name), "utf8")).toContain("To: s@home.example");
    await expect.poll(() => pendingEvents(db.pool("auth")), { timeout: 10_000 }).toEqual([]);

    child.kill("SIGTERM");
    expect(await exited).toBe(0);
    expect(out).not.toContain("did not stop cleanly");
  } finally {
    child.kill("SIGKILL");
    await exited;
    await rm(dir, { recursive: true, force: true });
    await Promise.all([db.drop(), redis.close(), broker.close()]);
  }
});

test("bad settings are all named, and none is shown", () => {
  const read = () =>
    loadConfig(AuthConfig, {
      PORT: "x",
      DATABASE_URL: "mysql://secret",
      MEDVAULT_SESSION_IDLE_MINUTES: "0",
    });
  expect(read).toThrow(/PORT.*DATABASE_URL.*MEDVAULT_SESSION_IDLE_MINUTES/);
  expect(read).not.toThrow(/secret/);
});
