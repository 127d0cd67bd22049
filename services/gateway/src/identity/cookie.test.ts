import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { givenGateway, type Person, problemOf, type TestGateway } from "../../test/harness.ts";

const edge = await givenGateway({ MEDVAULT_LOGIN_RATE: "1000" });
const { host } = new URL(edge.url);

const CSRF = "the-csrf-token-of-this-session";
const csrf = createHash("sha256").update(CSRF).digest("hex");
const signIn = (session: Record<string, string> = {}) =>
  edge.signIn("doctor", { session: { transport: "cookie", csrf, ...session } });
const ACCESS = "__Host-medvault-access";
const cookieOf = (person: Person) => `theme=dark; ${ACCESS}=${person.token}; other=1`;

interface Sent {
  method?: string;
  path?: string;
  token?: string | undefined;
  headers?: Record<string, string>;
}
const send = (
  person: Person,
  { method = "POST", path = "/v1/patients", token = CSRF, headers = {} }: Sent = {},
) =>
  edge.call(path, {
    method,
    headers: { cookie: cookieOf(person), ...(token && { "x-csrf-token": token }), ...headers },
    ...(method === "POST" || method === "PUT" || method === "PATCH" ? { body: "{}" } : {}),
  });

test("a read by cookie needs no CSRF token; the service sees the caller and no cookie", async () => {
  const doctor = await signIn();
  expect((await send(doctor, { method: "GET", token: "" })).status).toBe(200);
  const seen = edge.services.records.seen.at(-1);
  expect(seen?.claims).toMatchObject({ sub: doctor.sub, sid: doctor.sid });
  expect(seen?.headers.cookie).toBeUndefined();
});

test("every unsafe method without its session's token is 403 csrf_failed, and no service is reached", async () => {
  const [doctor, other] = [await signIn(), await signIn({ csrf: "0".repeat(64) })];
  const before = edge.services.records.seen.length;
  for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
    for (const token of ["", "x", `${CSRF}x`, csrf]) {
      expect(await problemOf(await send(doctor, { method, token })), method).toEqual([403, "csrf_failed"]);
    }
    expect(await problemOf(await send(other, { method }))).toEqual([403, "csrf_failed"]);
  }
  expect(edge.services.records.seen.length).toBe(before);
  for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
    expect((await send(doctor, { method })).status, method).toBe(200);
  }
});

test("a page of another origin is refused although it has the token; our own page and other clients are not", async () => {
  const doctor = await signIn();
  const foreign = [
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { origin: "https://evil.example" },
    { origin: `http://${host}.evil.example` },
    { origin: "null" },
    { origin: "not an origin" },
  ];
  for (const headers of foreign) {
    expect(await problemOf(await send(doctor, { headers })), JSON.stringify(headers)).toEqual([
      403,
      "csrf_failed",
    ]);
  }
  for (const headers of [{}, { "sec-fetch-site": "same-origin", origin: `http://${host}` }]) {
    expect((await send(doctor, { headers })).status).toBe(200);
  }
});

test("a token is good only by the transport it was issued for, and two tokens at once are 400", async () => {
  const inCookies = await signIn();
  const bearer = await edge.signIn("doctor");
  expect((await edge.call("/v1/patients", { as: inCookies })).status).toBe(401);
  expect((await send(bearer, { method: "GET" })).status).toBe(401);
  const both = await send(inCookies, { headers: { authorization: `Bearer ${bearer.token}` } });
  expect(await problemOf(both)).toEqual([400, "invalid_input"]);
  const twice = await edge.call("/v1/patients", {
    headers: { cookie: `${ACCESS}=${bearer.token}; ${cookieOf(inCookies)}` },
  });
  expect(await problemOf(twice)).toEqual([400, "invalid_input"]);
  for (const cookie of [`x${ACCESS}=${inCookies.token}`, `${ACCESS}=`, `${ACCESS}=garbage`]) {
    expect((await edge.call("/v1/patients", { headers: { cookie } })).status, cookie).toBe(401);
  }
});

test("only the gateway tells auth how tokens travel, and only auth's cookies come out", async () => {
  const doctor = await signIn();
  const bearer = await edge.signIn("doctor");
  const forged = { "x-session-transport": "cookie", "x-session-refresh": "stolen" };
  await edge.call("/v1/auth/step-up", { method: "POST", as: bearer, body: "{}", headers: forged });
  const seen = () => edge.services.auth.seen.at(-1)?.headers ?? {};
  expect([seen()["x-session-transport"], seen()["x-session-refresh"]]).toEqual([undefined, undefined]);
  await send(doctor, { path: "/v1/auth/step-up" });
  expect(seen()["x-session-transport"]).toBe("cookie");
  for (const [name, path, cookies] of [
    ["auth", "/v1/auth/me", ["a=1", "b=2"]],
    ["records", "/v1/patients", []],
  ] as const) {
    edge.services[name].raw = (_req, res) =>
      void res.writeHead(200, { "set-cookie": ["a=1", "b=2"], "content-type": "application/json" }).end("{}");
    const answer = await send(doctor, { method: "GET", path });
    edge.services[name].raw = null;
    expect(answer.headers.getSetCookie()).toEqual(cookies);
  }
});

const login = (headers: Record<string, string>, at: TestGateway = edge) =>
  at.call("/v1/auth/login", { method: "POST", body: "{}", headers });

test("a cookie sign-in is passed on over loopback, and refused from a foreign page or in another transport", async () => {
  expect((await login({ "x-session-transport": "cookie" })).status).toBe(200);
  expect(edge.services.auth.seen.at(-1)?.headers["x-session-transport"]).toBe("cookie");
  expect((await login({})).status).toBe(200);
  expect(edge.services.auth.seen.at(-1)?.headers["x-session-transport"]).toBeUndefined();
  const foreign = await login({ "x-session-transport": "cookie", origin: "https://evil.example" });
  expect(await problemOf(foreign)).toEqual([403, "csrf_failed"]);
  expect((await login({ "x-session-transport": "pigeon" })).status).toBe(400);
});

test("cookies over plain http from elsewhere are refused; behind a trusted proxy its https counts", async () => {
  const proxied = await givenGateway({ MEDVAULT_TRUSTED_PROXIES: "127.0.0.1" });
  const from = { "x-session-transport": "cookie", "x-forwarded-for": "203.0.113.9" };
  expect((await login(from, proxied)).status).toBe(400);
  expect((await login({ ...from, "x-forwarded-proto": "http" }, proxied)).status).toBe(400);
  expect((await login({ ...from, "x-forwarded-proto": "https" }, proxied)).status).toBe(200);
  // Where no proxy is trusted its word counts for nothing, and loopback is loopback.
  expect((await login({ "x-session-transport": "cookie", "x-forwarded-proto": "http" })).status).toBe(200);
});

test("a refresh by cookie needs no body; auth alone gets the token and the CSRF token", async () => {
  const headers = { cookie: "__Host-medvault-refresh=opaque-token", "x-csrf-token": CSRF };
  const answer = await edge.call("/v1/auth/refresh", { method: "POST", headers });
  expect(answer.status).toBe(200);
  expect(edge.services.auth.seen.at(-1)?.headers).toMatchObject({
    "x-session-transport": "cookie",
    "x-session-refresh": "opaque-token",
    "x-csrf-token": CSRF,
  });
  expect(edge.services.auth.seen.at(-1)?.headers.cookie).toBeUndefined();
  await edge.call("/v1/auth/login", { method: "POST", body: "{}", headers });
  expect(edge.services.auth.seen.at(-1)?.headers["x-session-refresh"]).toBeUndefined();
  const foreign = await edge.call("/v1/auth/refresh", {
    method: "POST",
    headers: { ...headers, "sec-fetch-site": "cross-site" },
  });
  expect(await problemOf(foreign)).toEqual([403, "csrf_failed"]);
});

test("a refused CSRF token leaves an event", async () => {
  const own = await givenGateway();
  const doctor = await own.signIn("doctor", { session: { transport: "cookie", csrf } });
  await own.call("/v1/patients", { method: "POST", body: "{}", headers: { cookie: cookieOf(doctor) } });
  const { raw } = await own.audited();
  expect(raw).toContain("medvault.gateway.request.csrf_failed.v1");
  expect(raw).not.toContain(doctor.token);
});
