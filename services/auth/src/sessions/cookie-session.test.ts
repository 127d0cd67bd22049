import type { TestAnswer, TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness, PASSWORD, type Person } from "../../test/harness.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

// As the gateway says it: a client's own headers of these names do not get here.
const COOKIE = { headers: { "x-session-transport": "cookie" } };
const identity = (person: Person) => ({ identifier: person.account.username, password: person.password });

/** Cookies that an answer sets: name to [value, attributes]. */
function cookies(answer: TestAnswer): Record<string, [string, string]> {
  return Object.fromEntries(
    answer.headers.getSetCookie().map((line) => {
      const [, name = "", value = "", attributes = ""] = /^([^=]+)=([^;]*); (.*)$/.exec(line) ?? [];
      return [name, [value, attributes]];
    }),
  );
}
const accessOf = (answer: TestAnswer) => cookies(answer)["__Host-medvault-access"]?.[0] ?? "";
const refreshOf = (answer: TestAnswer) => cookies(answer)["__Host-medvault-refresh"]?.[0] ?? "";

function expectNoTokens(answer: TestAnswer<Answer>): void {
  expect(answer.status).toBe(200);
  for (const name of ["accessToken", "refreshToken", "tokenType"])
    expect(answer.body).not.toHaveProperty(name);
  expect(answer.body.csrfToken).toMatch(/^[A-Za-z0-9_-]{43}$/);
}
const login = (person: Person, client: TestClient = h.guest()) =>
  client.post<Answer>("/v1/auth/login", identity(person), COOKIE);
const refresh = (token: string, csrf: string | undefined, body?: unknown) =>
  h.guest().post<Answer>("/v1/auth/refresh", body, {
    headers: {
      ...COOKIE.headers,
      "x-session-refresh": token,
      ...(csrf === undefined ? {} : { "x-csrf-token": csrf }),
    },
  });

test("a cookie sign-in puts both tokens into __Host- cookies and the CSRF token into the body", async () => {
  const answer = await login(await h.person("patient"));
  expectNoTokens(answer);
  const { "__Host-medvault-access": access, "__Host-medvault-refresh": renew } = cookies(answer);
  expect(access?.[1]).toBe("Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=300");
  const until = new Date(String(answer.body.absoluteExpiresAt)).toUTCString();
  expect(renew?.[1]).toBe(`Path=/; Secure; HttpOnly; SameSite=Strict; Expires=${until}`);
  const api = await h.withToken(access?.[0] ?? "");
  const me = await api.get<Answer>("/v1/auth/me", COOKIE);
  expect(me.body).toMatchObject({ csrfToken: answer.body.csrfToken, idleWarningSeconds: 120 });
  const hash = await h.redis.client.hget(`session:${answer.body.sessionId}`, "csrf");
  expect(hash).toMatch(/^[0-9a-f]{64}$/);
  expect(hash).not.toContain(String(answer.body.csrfToken));
});

test("a bearer sign-in sets no cookie and has no CSRF token", async () => {
  const { tokens, api } = await h.client(await h.person("patient"));
  expect(tokens).not.toHaveProperty("csrfToken");
  const me = await api.get<Answer>("/v1/auth/me");
  expect(me.body).not.toHaveProperty("csrfToken");
  const out = await api.post("/v1/auth/logout");
  expect(out.headers.getSetCookie()).toEqual([]);
});

test("the second half of a sign-in, the step-up and the logout stay in cookies", async () => {
  const doctor = await h.person("doctor");
  const { body } = await login(doctor);
  expect(body.mfaRequired).toBe(true);
  // The header was given once, at login.
  const done = await h
    .guest()
    .post<Answer>("/v1/auth/mfa/challenge", { mfaToken: body.mfaToken, code: h.code(doctor) });
  expectNoTokens(done);
  const api = await h.withToken(accessOf(done));
  h.advance(30_000);
  const confirmed = await api.post<Answer>(
    "/v1/auth/step-up",
    { password: PASSWORD, code: h.code(doctor) },
    COOKIE,
  );
  expectNoTokens(confirmed);
  expect(confirmed.body.csrfToken).toBe(done.body.csrfToken);
  expect(accessOf(confirmed)).not.toBe("");
  expect(refreshOf(confirmed)).toBe("");
  const out = await api.post("/v1/auth/logout", undefined, COOKIE);
  expect(out.status).toBe(204);
  expect(Object.values(cookies(out)).map(([value, attributes]) => [value, attributes.slice(-9)])).toEqual([
    ["", "Max-Age=0"],
    ["", "Max-Age=0"],
  ]);
});

test("an enrolment that a cookie sign-in required ends in cookies too, of a new session", async () => {
  const person = await h.person("auditor", { mfaEnabled: false, totpSecret: null });
  const begun = await login(person);
  expectNoTokens(begun);
  expect(begun.body.mfaEnrollmentRequired).toBe(true);
  const api = await h.withToken(accessOf(begun));
  const { body } = await api.post<{ secret: string }>("/v1/auth/mfa/setup", undefined, COOKIE);
  const code = h.code({ ...person, totpSecret: body.secret });
  const done = await api.post<Answer>("/v1/auth/mfa/verify", { code }, COOKIE);
  expectNoTokens(done);
  expect(done.body.csrfToken).not.toBe(begun.body.csrfToken);
  expect(refreshOf(done)).not.toBe("");
});

test("a cookie refresh needs no body, and a CSRF token of its session", async () => {
  const begun = await login(await h.person("patient"));
  const other = await login(await h.person("patient"));
  const token = refreshOf(begun);
  await h.events();
  for (const csrf of [undefined, "", "x", String(other.body.csrfToken)]) {
    const answer = await refresh(token, csrf);
    expect([answer.status, answer.body.code]).toEqual([403, "csrf_failed"]);
  }
  const reasons = (await h.events()).map((event) => event.data.decision.reason);
  expect(reasons).toEqual(Array(4).fill("csrf_failed"));
  const answer = await refresh(token, String(begun.body.csrfToken));
  expectNoTokens(answer);
  expect(answer.body.csrfToken).toBe(begun.body.csrfToken);
  expect(refreshOf(answer)).not.toBe(token);
});

test("a token is good in the way it was given out alone; both ways at once are refused", async () => {
  const begun = await login(await h.person("patient"));
  const stolen = await h.guest().post<Answer>("/v1/auth/refresh", { refreshToken: refreshOf(begun) });
  expect([stolen.status, stolen.body.code]).toEqual([401, "unauthenticated"]);
  const { tokens } = await h.client(await h.person("patient"));
  expect((await refresh(tokens.refreshToken, undefined)).status).toBe(401);
  const both = await refresh(refreshOf(begun), String(begun.body.csrfToken), {
    refreshToken: tokens.refreshToken,
  });
  expect(both).toMatchObject({ status: 400, body: { code: "invalid_input" } });
  // Neither attempt has used anything up.
  expect((await refresh(refreshOf(begun), String(begun.body.csrfToken))).status).toBe(200);
});

test("a device's token is in a cookie of its own, which outlives the session", async () => {
  const person = await h.person("patient");
  const answer = await login(person);
  expectNoTokens(answer);
  expect(answer.body).not.toHaveProperty("deviceToken");
  const [device, attributes] = cookies(answer)["__Host-medvault-device"] ?? ["", ""];
  expect(device).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(attributes).toBe("Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=34560000");
  const again = await h.guest().post<Answer>("/v1/auth/login", identity(person), {
    headers: { ...COOKIE.headers, "x-device-token": device },
  });
  expect(cookies(again)).not.toHaveProperty("__Host-medvault-device");
});
