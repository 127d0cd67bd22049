import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness, PASSWORD } from "../../test/harness.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

const login = (identifier: string, password: string, ip = "192.0.2.1") =>
  h.guest({ ip }).post<Answer>("/v1/auth/login", { identifier, password });

const versionOf = async (role: string) => {
  const { rows } = await h.ctx.pool.query<{ version: number }>("select version from roles where role = $1", [
    role,
  ]);
  return rows[0]?.version;
};

test("a patient signs in by username or address, in any case, and the session stands in Postgres and Redis", async () => {
  const { account } = await h.person("patient");
  await h.events();
  for (const identifier of [account.username, account.email, account.email.toUpperCase()]) {
    const answer = await login(identifier, PASSWORD);
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ tokenType: "Bearer", expiresIn: 300 });
    const hash = await h.redis.client.hgetall(`session:${answer.body.sessionId}`);
    expect(hash).toMatchObject({
      sub: account.id,
      role: "patient",
      pv: String(await versionOf("patient")),
      idleMs: "900000",
      uaHash: createHash("sha256").update("vitest").digest("hex"),
      ip: "192.0.2.1",
      mfa: "0",
      enroll: "0",
    });
    expect(Number(hash.absEnd) - Date.now()).toBeGreaterThan(6.9 * 24 * 3600_000);
  }
  const events = await h.events();
  expect(events.map((event) => event.type)).toEqual(Array(3).fill("medvault.auth.session.started.v1"));
  expect(events[0]?.data).toMatchObject({
    actor: { id: account.id, role: "patient" },
    decision: { allowed: true, reason: "password" },
  });
});

test("an unknown name, a wrong password, a disabled and an invited account are refused in the same words", async () => {
  const { account } = await h.person("patient");
  const disabled = await h.person("patient", { disabled: true });
  const invited = await h.person("doctor", { passwordHash: null, activated: false });
  await h.events();
  const answers = await Promise.all([
    login("nobody-of-that-name", PASSWORD),
    login(account.username, "Wrong-pass-word-9"),
    login(disabled.account.username, PASSWORD),
    login(invited.account.username, PASSWORD),
  ]);
  const shown = answers.map(({ status, body }) => ({ status, body: { ...body, requestId: "" } }));
  expect(shown[0]).toMatchObject({ status: 401, body: { code: "invalid_credentials" } });
  for (const other of shown) expect(other).toEqual(shown[0]);
  const events = await h.events();
  expect(events.map((e) => [e.type, e.data.outcome, e.data.decision.reason])).toEqual(
    Array(4).fill(["medvault.auth.login.failed.v1", "denied", "invalid_credentials"]),
  );
  expect(JSON.stringify(events)).not.toContain("nobody-of-that-name");
  expect(JSON.stringify(events)).not.toContain(account.username);
});

test("five wrong guesses lock: the sixth is refused although it is right, until the hour is over", async () => {
  const { account } = await h.person("patient");
  for (let i = 0; i < 5; i++) expect((await login(account.username, `Wrong-${i}`)).status).toBe(401);
  await h.events();
  const locked = await login(account.email, PASSWORD);
  expect(locked).toMatchObject({ status: 429, body: { code: "login_locked" } });
  expect(Number(locked.headers.get("retry-after"))).toBeGreaterThan(3500);
  expect((await login(account.username, PASSWORD, "198.51.100.7")).status).toBe(429); // an address it never came from
  expect((await h.events()).map((e) => [e.type, e.data.decision.reason])).toEqual([
    ["medvault.auth.login.refused.v1", "login_locked"],
    ["medvault.auth.login.refused.v1", "login_locked"],
  ]);
  h.advance(61 * 60_000);
  expect((await login(account.username, PASSWORD)).status).toBe(200);
});

test("the lock leaves an event, and an unknown name locks alike", async () => {
  await h.events();
  for (let i = 0; i < 5; i++) expect((await login("nobody-2", `Wrong-${i}`)).status).toBe(401);
  expect((await login("nobody-2", "Wrong-6")).body.code).toBe("login_locked");
  expect((await h.events()).map((e) => e.type)).toEqual([
    ...Array(5).fill("medvault.auth.login.failed.v1"),
    "medvault.auth.account.locked.v1",
    "medvault.auth.login.refused.v1",
  ]);
});

test("strangers who lock an account do not lock out its owner at the address it comes from", async () => {
  const { account } = await h.person("patient");
  expect((await login(account.username, PASSWORD, "203.0.113.5")).status).toBe(200);
  for (let i = 0; i < 6; i++) await login(account.username, `Wrong-${i}`, `198.51.100.${i}`);
  expect((await login(account.username, PASSWORD, "198.51.100.99")).status).toBe(429);
  expect((await login(account.username, PASSWORD, "203.0.113.5")).status).toBe(200);
  for (let i = 0; i < 5; i++) await login(account.username, `Wrong-${i}`, "203.0.113.5");
  expect((await login(account.username, PASSWORD, "203.0.113.5")).status).toBe(429); // its own bucket locks too
});

test("of 40 wrong guesses at once at most five are evaluated", async () => {
  const { account } = await h.person("patient");
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, i) => login(account.username, `Wrong-${i}`)),
  );
  const evaluated = answers.filter(({ status }) => status === 401).length;
  expect(evaluated).toBeLessThanOrEqual(5);
  expect(evaluated).toBeGreaterThan(0);
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(40 - evaluated);
});

test("failures older than five minutes do not count, and a success begins the count again", async () => {
  const { account } = await h.person("patient");
  for (let i = 0; i < 4; i++) await login(account.username, `Wrong-${i}`);
  h.advance(5 * 60_000 + 1_000);
  for (let i = 0; i < 4; i++) expect((await login(account.username, `Wrong-${i}`)).status).toBe(401);
  expect((await login(account.username, PASSWORD)).status).toBe(200);
  for (let i = 0; i < 4; i++) expect((await login(account.username, `Wrong-${i}`)).status).toBe(401);
  expect((await login(account.username, PASSWORD)).status).toBe(200);
});

test("a password of 73 bytes is not its prefix of 72", async () => {
  const long = `Aa1!${"x".repeat(68)}y`;
  const { account } = await h.person("patient", { passwordHash: await h.ctx.hasher.hash(long) });
  expect((await login(account.username, long.slice(0, 72))).status).toBe(401);
  expect((await login(account.username, long)).status).toBe(200);
});

test("an outdated hash is made again at sign-in, and the password stays the same", async () => {
  const weak = (await import("argon2")).default;
  const passwordHash = await weak.hash(PASSWORD, { memoryCost: 4096, timeCost: 2, parallelism: 1 });
  const { account } = await h.person("patient", { passwordHash });
  expect((await login(account.username, PASSWORD)).status).toBe(200);
  const { rows } = await h.ctx.pool.query("select rev from users where id = $1", [account.id]);
  expect(rows[0]).toEqual({ rev: 2 });
  expect((await login(account.username, PASSWORD)).status).toBe(200);
});

test("a role that was changed by SQL opens no account", async () => {
  const { account } = await h.person("patient");
  await h.ctx.pool.query("update users set role = 'admin' where id = $1", [account.id]);
  expect((await login(account.username, PASSWORD)).status).toBe(500);
});

test("unknown fields and a body of another kind are refused", async () => {
  const extra = await h
    .guest()
    .post<Answer>("/v1/auth/login", { identifier: "a", password: "b", role: "admin" });
  expect(extra).toMatchObject({ status: 400, body: { code: "invalid_input" } });
  expect((await h.guest().post("/v1/auth/login", "identifier=a")).status).toBe(415);
});

test("the table of users shows neither names nor addresses nor hashes", async () => {
  const { account } = await h.person("patient");
  const { rows } = await h.ctx.pool.query<{ row: string }>("select u::text as row from users u");
  const text = rows.map(({ row }) => row + Buffer.from(row.match(/\\x([0-9a-f]+)/)?.[1] ?? "", "hex")).join();
  expect(text).not.toContain(account.username);
  expect(text).not.toContain(account.email);
  expect(text).not.toContain("argon2");
});

test("logout kills the session in Postgres and Redis before it answers", async () => {
  const { api, tokens } = await h.client(await h.person("patient"));
  await h.events();
  expect((await api.post("/v1/auth/logout")).status).toBe(204);
  expect(await h.redis.client.exists(`session:${tokens.sessionId}`)).toBe(0);
  const refreshed = await h.guest().post("/v1/auth/refresh", { refreshToken: tokens.refreshToken });
  expect(refreshed.status).toBe(401);
  expect((await h.events())[0]).toMatchObject({
    type: "medvault.auth.session.ended.v1",
    subject: `session/${tokens.sessionId}`,
    data: { decision: { reason: "logout" } },
  });
});

test("of more than five sessions the oldest end", async () => {
  const person = await h.person("patient");
  const ids: string[] = [];
  for (let i = 0; i < 7; i++) ids.push((await h.client(person)).tokens.sessionId);
  const { api } = await h.client(person);
  const { body } = await api.get<{ items: { id: string; current: boolean }[] }>("/v1/auth/sessions");
  expect(body.items).toHaveLength(5);
  expect(body.items.filter((item) => item.current)).toHaveLength(1);
  expect(body.items.map((item) => item.id)).not.toContain(ids[2]);
  expect(await h.redis.client.exists(`session:${ids[0]}`)).toBe(0);
});
