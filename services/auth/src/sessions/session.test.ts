import { newId, Unavailable } from "@medvault/contracts";
import { actor, signedIn } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness } from "../../test/harness.ts";
import { refillSessions, sweepSessions } from "./session.jobs.ts";
import { deviceOf, isLive, newSession, surplus, touched } from "./session.ts";
import { createSessionCache } from "./session-cache.store.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

const refill = () => refillSessions({ ...h.ctx, redis: h.connection }).then(({ filled }) => filled);
const gateway = () =>
  signedIn(
    h.app,
    actor("service", {
      id: "service:gateway",
      permissions: ["session:introspect", "session:introspect:any"],
    }),
  );

test("own sessions are listed with device and address, and ended; another user's are not there", async () => {
  const person = await h.person("patient");
  const [own, other] = [await h.client(person), await h.client(person)];
  const stranger = await h.client(await h.person("patient"));
  const { body } = await own.api.get<{ items: Answer[] }>("/v1/auth/sessions");
  expect(body.items.map((s) => [s.id, s.current, s.ip, s.userAgent])).toEqual([
    [other.tokens.sessionId, false, "192.0.2.1", "vitest"],
    [own.tokens.sessionId, true, "192.0.2.1", "vitest"],
  ]);
  const foreign = await stranger.api.delete<Answer>(`/v1/auth/sessions/${own.tokens.sessionId}`);
  const absent = await stranger.api.delete<Answer>(`/v1/auth/sessions/${newId()}`);
  expect([foreign.status, foreign.body.code]).toEqual([absent.status, absent.body.code]);
  expect(foreign.status).toBe(404);
  expect((await own.api.delete(`/v1/auth/sessions/${other.tokens.sessionId}`)).status).toBe(204);
  expect(await h.redis.client.exists(`session:${other.tokens.sessionId}`)).toBe(0);
  const third = await h.client(person);
  expect((await own.api.delete("/v1/auth/sessions")).status).toBe(204);
  expect(await h.redis.client.exists(`session:${third.tokens.sessionId}`)).toBe(0);
  expect(await h.redis.client.exists(`session:${own.tokens.sessionId}`)).toBe(1);
});

test("addresses and user agents are sealed in the table", async () => {
  await h.client(await h.person("patient"));
  const { rows } = await h.ctx.pool.query<{ row: string }>("select s::text as row from sessions s");
  expect(rows.map(({ row }) => row).join()).not.toMatch(/192\.0\.2\.1|vitest/);
});

const versionOf = async (role: string) => {
  const { rows } = await h.ctx.pool.query<{ version: number }>("select version from roles where role = $1", [
    role,
  ]);
  return rows[0]?.version;
};

test("the gateway alone asks about a session, and Redis learns it again", async () => {
  const { api, tokens } = await h.client(await h.person("doctor"));
  const path = `/internal/sessions/${tokens.sessionId}`;
  await h.redis.client.del(`session:${tokens.sessionId}`);
  const known = await gateway().get<Answer>(path);
  expect(known).toMatchObject({
    status: 200,
    body: {
      sub: api.actor.id,
      role: "doctor",
      pv: await versionOf("doctor"),
      scope: tokens.scope,
      mfa: "1",
      enroll: "0",
    },
  });
  expect(await h.redis.client.exists(`session:${tokens.sessionId}`)).toBe(1);
  expect((await api.get(path)).status).toBe(403);
  const forged = signedIn(h.app, actor("admin", { permissions: ["session:introspect:any"] }));
  expect((await forged.get(path)).status).toBe(403);
  await api.post("/v1/auth/logout");
  expect((await gateway().get(path)).status).toBe(404);
  expect((await gateway().get(`/internal/sessions/${newId()}`)).status).toBe(404);
  // A process that read the session before its end cannot bring it back.
  expect(await h.redis.client.exists(`ended:${tokens.sessionId}`)).toBe(1);
});

test("a session that ended while another process was writing it to Redis does not come back", async () => {
  const { tokens } = await h.client(await h.person("patient"));
  const { findSession } = await import("./session.store.ts");
  const before = await findSession(h.ctx.pool, h.keyring, tokens.sessionId);
  await h.ctx.cache.remove([tokens.sessionId]);
  if (before) await h.ctx.cache.put(before);
  expect(await h.redis.client.exists(`session:${tokens.sessionId}`)).toBe(0);
});

test("where Redis has replicas, an end or a changed role that reached none of them is no answer but a 503", async () => {
  const alone = createSessionCache(h.connection, {
    ...{ idleMs: 1, csrfKey: Buffer.alloc(32), binding: h.ctx.settings.binding, isReplicated: true },
    permissionVersion: async () => 1,
  });
  await expect(alone.apply({ opened: [], ended: [newId()] })).rejects.toThrow(Unavailable);
  const role = { role: "patient", version: 1, permissions: [] } as never;
  await expect(alone.putRole(role)).rejects.toThrow(Unavailable);
  await alone.apply({ opened: [], ended: [] });
});

test("an empty Redis is filled from Postgres once, and says so with its own run id", async () => {
  const live = await h.client(await h.person("patient"));
  const ended = await h.client(await h.person("patient"));
  await ended.api.post("/v1/auth/logout");
  await h.redis.flush();
  expect(await refill()).toBe(true);
  const hash = await h.redis.client.hgetall(`session:${live.tokens.sessionId}`);
  expect(hash).toMatchObject({ sub: live.api.actor.id, role: "patient" });
  expect(await h.redis.client.exists(`session:${ended.tokens.sessionId}`)).toBe(0);
  const runId = /run_id:(\w+)/.exec(await h.redis.client.info("server"))?.[1];
  expect(await h.redis.client.get("sessions:filled")).toBe(runId);
  expect(await h.redis.client.get("pv:patient")).toBe(String(await versionOf("patient")));
  expect(await refill()).toBe(false);
});

test("an end that Redis missed reaches it at the next connect", async () => {
  const { tokens } = await h.client(await h.person("patient"));
  await refill();
  await h.ctx.pool.query("update sessions set ended_at = now(), end_reason = 'logout' where id = $1", [
    tokens.sessionId,
  ]);
  await refill();
  expect(await h.redis.client.exists(`session:${tokens.sessionId}`)).toBe(0);
});

test("Redis away: what must end a session says so, and Postgres has it", async () => {
  const { api, tokens } = await h.client(await h.person("patient"));
  h.connection.disconnect();
  await expect.poll(() => h.connection.status).toBe("end"); // only then can it be connected again
  try {
    const answer = await api.post("/v1/auth/logout");
    expect(answer).toMatchObject({ status: 503, body: { code: "unavailable" } });
    expect(answer.headers.get("retry-after")).toBe("2");
  } finally {
    await h.connection.connect();
  }
  const { rows } = await h.ctx.pool.query("select end_reason from sessions where id = $1", [
    tokens.sessionId,
  ]);
  expect(rows).toEqual([{ end_reason: "logout" }]);
  await refill();
  expect(await h.redis.client.exists(`session:${tokens.sessionId}`)).toBe(0);
});

test("sessions that ran out unnoticed end with an event", async () => {
  const idle = await h.client(await h.person("patient"));
  h.advance(15 * 60_000 + 11 * 60_000 + 1);
  const fresh = await h.client(await h.person("patient"));
  await h.events();
  await sweepSessions(h.ctx);
  const events = await h.events();
  expect(events.find((event) => event.subject === `session/${idle.tokens.sessionId}`)).toMatchObject({
    type: "medvault.auth.session.ended.v1",
    data: { actor: null, decision: { reason: "idle" } },
  });
  expect(await h.redis.client.exists(`session:${idle.tokens.sessionId}`)).toBe(0);
  expect(await h.redis.client.exists(`session:${fresh.tokens.sessionId}`)).toBe(1);
});

test("a session kept in use by step-ups alone lives on, and so does one whose uses only Redis knows", async () => {
  const person = await h.person("patient");
  const { api, tokens } = await h.client(person);
  const stepUp = () => api.post("/v1/auth/step-up", { password: person.password });
  for (let uses = 0; uses < 4; uses++) {
    h.advance(9 * 60_000);
    expect((await stepUp()).status).toBe(200);
    await sweepSessions(h.ctx);
  }
  // The gateway notes each use in Redis: the step-up's token is good for 10 min.
  h.advance(9 * 60_000);
  await h.redis.client.hset(`session:${tokens.sessionId}`, "idleEnd", h.ctx.now().getTime() + 15 * 60_000);
  h.advance(14 * 60_000);
  await sweepSessions(h.ctx);
  expect((await stepUp()).status).toBe(200);
  const refreshed = await h.guest().post("/v1/auth/refresh", { refreshToken: tokens.refreshToken });
  expect(refreshed.status).toBe(200);
  h.advance(15 * 60_000 + 1);
  expect((await stepUp()).status).toBe(401);
});

test("the public keys verify access tokens, and nothing private is among them", async () => {
  const { tokens } = await h.client(await h.person("patient"));
  const { body } = await h.guest().get<{ keys: Record<string, string>[] }>("/.well-known/jwks.json");
  expect(body.keys).toHaveLength(1);
  expect(Object.keys(body.keys[0] ?? {}).sort()).toEqual(["alg", "crv", "kid", "kty", "use", "x"]);
  const [header = "", payload = ""] = tokens.accessToken.split(".");
  expect(JSON.parse(Buffer.from(header, "base64url").toString())).toEqual({
    alg: "EdDSA",
    typ: "at+jwt",
    kid: body.keys[0]?.kid,
  });
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString());
  const pv = await versionOf("patient");
  expect(claims).toMatchObject({ iss: "medvault", aud: "medvault-gateway", acr: "aal1", pv });
  expect(claims.exp - claims.iat).toBe(300);
});

test("lifetimes, limits and devices", () => {
  const settings = { idleMs: 10, absoluteStaffMs: 100, absolutePatientMs: 1000 };
  const now = new Date(1_000_000);
  const at = (ms: number) => new Date(now.getTime() + ms);
  const input = {
    id: "s",
    userId: "u",
    amr: [],
    ip: "",
    userAgent: "",
    kind: "full" as const,
    pv: 1,
    transport: "bearer" as const,
  };
  const staff = newSession({ ...input, role: "doctor" }, settings, now);
  expect([staff.idleExpiresAt, staff.absoluteExpiresAt]).toEqual([at(10), at(100)]);
  expect(newSession({ ...input, role: "patient" }, settings, now).absoluteExpiresAt).toEqual(at(1000));
  expect(touched(staff, 10, at(95)).idleExpiresAt).toEqual(at(100)); // never beyond the absolute end
  expect(isLive(staff, at(9))).toBe(true);
  expect(isLive(staff, at(10))).toBe(false);
  expect(isLive(staff, at(10), at(20))).toBe(true);
  expect(isLive(staff, at(100), at(200))).toBe(false);
  expect(isLive({ ...staff, endedAt: now }, now)).toBe(false);
  expect(surplus(["a", "b", "c"], 5)).toEqual([]);
  expect(surplus(["a", "b", "c"], 3)).toEqual(["a"]);
  expect(surplus(["a", "b", "c"], 1)).toEqual(["a", "b", "c"]);
  expect(deviceOf("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")).toBe(
    "Firefox on Linux",
  );
  expect(deviceOf("")).toBe("Unknown device");
});
