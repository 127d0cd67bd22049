import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness } from "../../test/harness.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

const refresh = (refreshToken: string, client = h.guest()) =>
  client.post<Answer>("/v1/auth/refresh", { refreshToken });
const lives = async (sid: string): Promise<boolean> => {
  const { rows } = await h.ctx.pool.query<{ live: boolean }>(
    "select ended_at is null as live from sessions where id = $1",
    [sid],
  );
  const cached = (await h.redis.client.exists(`session:${sid}`)) === 1;
  expect(cached).toBe(rows[0]?.live);
  return cached;
};

test("a refresh gives a new pair; auth_time and the absolute end stay as they were", async () => {
  const { tokens, api } = await h.client(await h.person("patient"));
  h.advance(10 * 60_000);
  const { status, body } = await refresh(tokens.refreshToken);
  expect(status).toBe(200);
  expect(body.refreshToken).not.toBe(tokens.refreshToken);
  expect(body).toMatchObject({ sessionId: tokens.sessionId, absoluteExpiresAt: tokens.absoluteExpiresAt });
  expect(body.idleExpiresAt).not.toBe(tokens.idleExpiresAt);
  const after = await h.withToken(body.accessToken);
  // The harness subtracts the moved clock from both.
  expect(after.actor.authTime).toBe(api.actor.authTime - 600);
});

test("of 1,000 refreshes at once exactly one wins, the rest are 409, and the session lives", async () => {
  const { tokens } = await h.client(await h.person("patient"));
  await h.events();
  const answers = await Promise.all(Array.from({ length: 1000 }, () => refresh(tokens.refreshToken)));
  const won = answers.filter(({ status }) => status === 200);
  expect(won).toHaveLength(1);
  const lost = answers.filter(({ status }) => status !== 200);
  expect(new Set(lost.map(({ status, body }) => `${status} ${body.code}`))).toEqual(
    new Set(["409 refresh_superseded"]),
  );
  expect(await lives(tokens.sessionId)).toBe(true);
  expect((await refresh(won[0]?.body.refreshToken ?? "")).status).toBe(200);
  const types = (await h.events()).map((event) => event.type);
  expect(types.filter((type) => type === "medvault.auth.session.refreshed.v1")).toHaveLength(2);
  expect(types.filter((type) => type === "medvault.auth.refresh.denied.v1")).toHaveLength(999);
}, 120_000);

const reuses: [string, (old: string, successor: string) => Promise<{ status: number; body: Answer }>][] = [
  [
    "after its successor was used",
    async (old, successor) => {
      await refresh(successor);
      return refresh(old);
    },
  ],
  [
    "after 10 s",
    async (old) => {
      h.advance(10_001);
      return refresh(old);
    },
  ],
  ["from another address", (old) => refresh(old, h.guest({ ip: "198.51.100.1" }))],
  ["with another user agent", (old) => refresh(old, h.guest({ userAgent: "other" }))],
];

test.each(reuses)("a used refresh token again %s ends the session", async (_when, reuse) => {
  const { tokens } = await h.client(await h.person("patient"));
  const { body: next } = await refresh(tokens.refreshToken);
  await h.events();
  const answer = await reuse(tokens.refreshToken, next.refreshToken);
  expect(answer).toMatchObject({ status: 401, body: { code: "refresh_reused" } });
  expect(await lives(tokens.sessionId)).toBe(false);
  expect((await refresh(next.refreshToken)).status).toBe(401);
  const reasons = (await h.events()).map((event) => event.data.decision.reason);
  expect(reasons.filter((reason) => reason === "refresh_reused")).toHaveLength(2); // denied, and the end
});

test("an unknown token, an ended, an idle and an expired session are refused", async () => {
  expect(await refresh("x".repeat(43))).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
  const ended = await h.client(await h.person("patient"));
  await ended.api.delete(`/v1/auth/sessions/${ended.tokens.sessionId}`);
  expect((await refresh(ended.tokens.refreshToken)).status).toBe(401);
  const idle = await h.client(await h.person("patient"));
  h.advance(15 * 60_000 + 1);
  expect((await refresh(idle.tokens.refreshToken)).status).toBe(401);
  const staff = await h.client(await h.person("doctor"));
  await h.redis.client.hset(
    `session:${staff.tokens.sessionId}`,
    "idleEnd",
    String(h.ctx.now().getTime() + 1e9),
  );
  h.advance(12 * 3600_000);
  expect((await refresh(staff.tokens.refreshToken)).status).toBe(401);
});

test("what the gateway knows of a use counts against idleness", async () => {
  const { tokens } = await h.client(await h.person("patient"));
  h.advance(4 * 60_000);
  await h.redis.client.hset(
    `session:${tokens.sessionId}`,
    "idleEnd",
    String(h.ctx.now().getTime() + 15 * 60_000),
  );
  h.advance(14 * 60_000);
  expect((await refresh(tokens.refreshToken)).status).toBe(200);
});

test("a disabled user's refresh token is dead", async () => {
  const person = await h.person("patient");
  const { tokens } = await h.client(person);
  const { api: admin } = await h.client(await h.person("admin"));
  await h.person("admin");
  expect((await admin.patch(`/v1/users/${person.account.id}`, { disabled: true })).status).toBe(200);
  expect(await lives(tokens.sessionId)).toBe(false);
  expect((await refresh(tokens.refreshToken)).status).toBe(401);
});

test("a refresh carries what the role may do now", async () => {
  const { tokens } = await h.client(await h.person("auditor"));
  const { api: admin } = await h.client(await h.person("admin"));
  const permissions = tokens.scope.split(" ").filter((p) => p !== "audit:verify:any");
  expect((await admin.put("/v1/roles/auditor/permissions", { permissions })).status).toBe(200);
  const { body } = await refresh(tokens.refreshToken);
  expect(body.scope.split(" ")).not.toContain("audit:verify:any");
});
