import { createHash } from "node:crypto";
import { loadConfig } from "@medvault/service-kit";
import { expect, test } from "vitest";
import { givenGateway } from "../../test/harness.ts";
import { GatewayConfig } from "../config.ts";
import { originsOf } from "./cors.ts";

const LISTED = "https://console.example";
const closed = await givenGateway();
const listing = await givenGateway({ MEDVAULT_CORS_ORIGINS: `${LISTED}, http://localhost:5173` });

const preflight = (origin: string, method = "PUT") => ({
  method: "OPTIONS",
  headers: { origin, "access-control-request-method": method, "access-control-request-headers": "if-match" },
});
const allowances = (answer: Response) =>
  [...answer.headers.keys()].filter((name) => name.startsWith("access-control-"));

test("no other origin is allowed by default", async () => {
  const asked = await closed.call("/v1/patients", preflight(LISTED));
  expect([asked.status, allowances(asked)]).toEqual([403, []]);
  const answer = await closed.call("/.well-known/jwks.json", { headers: { origin: LISTED } });
  expect([answer.status, allowances(answer)]).toEqual([200, []]);
});

test("the gateway answers a listed origin's preflight itself, with credentials, and asks no service", async () => {
  const answer = await listing.call("/v1/records/x", preflight(LISTED));
  expect(answer.status).toBe(204);
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    "access-control-allow-origin": LISTED,
    "access-control-allow-credentials": "true",
    "access-control-allow-methods": expect.stringContaining("PATCH"),
    "access-control-allow-headers": expect.stringMatching(/If-Match.*X-CSRF-Token/),
    vary: "Origin",
    "x-frame-options": "DENY",
  });
  expect(listing.services.records.seen).toEqual([]);
});

test("listed origins can read answers and refusals, which say what may be read", async () => {
  for (const path of ["/.well-known/jwks.json", "/v1/patients", "/nowhere", "/v1/x/../y"]) {
    const answer = await listing.call(path, { headers: { origin: LISTED } });
    expect(answer.headers.get("access-control-allow-origin"), path).toBe(LISTED);
    expect(answer.headers.get("vary"), path).toBe("Origin");
    expect(answer.headers.get("access-control-expose-headers")).toMatch(
      /ETag.*RateLimit.*Retry-After.*X-Request-Id/,
    );
  }
});

test("an origin that is not listed is not allowed, however similar it looks; neither is null", async () => {
  for (const origin of [
    "null",
    "*",
    "https://console.example.evil",
    "https://evilconsole.example",
    "http://console.example",
    "https://console.example:444",
    "https://CONSOLE.example",
    "https://console.example/",
    "http://localhost:5174",
  ]) {
    const asked = await listing.call("/v1/patients", preflight(origin));
    expect([asked.status, allowances(asked)], origin).toEqual([403, []]);
    const answer = await listing.call("/.well-known/jwks.json", { headers: { origin } });
    expect([answer.status, allowances(answer), answer.headers.get("vary")], origin).toEqual([
      200,
      [],
      "Origin",
    ]);
  }
});

test("a list with a wildcard, null or a path in it does not boot", () => {
  for (const list of [
    "*",
    "null",
    "https://*.example",
    "https://a.example/",
    "a.example",
    "ftp://a.example",
  ]) {
    expect(() => originsOf(list), list).toThrow("MEDVAULT_CORS_ORIGINS");
    expect(() => loadConfig(GatewayConfig, { MEDVAULT_CORS_ORIGINS: list })).toThrow(
      expect.objectContaining({ settings: expect.arrayContaining(["MEDVAULT_CORS_ORIGINS"]) }),
    );
  }
  expect([...originsOf(` ${LISTED} ,`)]).toEqual([LISTED]);
});

test("a cookie session is used by the pages of listed origins, with its CSRF token, and by no others", async () => {
  const csrf = createHash("sha256").update("its-token").digest("hex");
  const doctor = await listing.signIn("doctor", {
    session: { transport: "cookie", csrf },
    claims: { transport: "cookie" },
  });
  const logout = (headers: Record<string, string>) =>
    listing.call("/v1/auth/logout", {
      method: "POST",
      headers: {
        cookie: `__Host-medvault-access=${doctor.token}`,
        "sec-fetch-site": "same-site",
        ...headers,
      },
    });
  const cases: [status: number, headers: Record<string, string>][] = [
    [200, { origin: LISTED, "x-csrf-token": "its-token" }],
    [403, { origin: LISTED, "x-csrf-token": "another" }],
    [403, { origin: LISTED }],
    [403, { origin: "https://evil.example", "x-csrf-token": "its-token" }],
    [403, { origin: "null", "x-csrf-token": "its-token" }],
    [403, { "x-csrf-token": "its-token" }],
  ];
  for (const [status, headers] of cases)
    expect((await logout(headers)).status, JSON.stringify(headers)).toBe(status);
});
