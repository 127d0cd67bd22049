import { expect, test, vi } from "vitest";
import { givenGateway, problemOf } from "../../test/harness.ts";

test("requests beyond the limit are 429 with Retry-After and the RateLimit fields; another address goes on", async () => {
  const edge = await givenGateway({ MEDVAULT_RATE_LIMIT: "5", MEDVAULT_TRUSTED_PROXIES: "127.0.0.1" });
  const from = (ip: string) => edge.call("/.well-known/jwks.json", { headers: { "x-forwarded-for": ip } });
  const first = await from("198.51.100.1");
  expect(first.status).toBe(200);
  expect(first.headers.get("ratelimit-policy")).toBe('"general";q=5;w=60');
  expect(first.headers.get("ratelimit")).toMatch(/^"general";r=4;t=\d+$/);
  const statuses = await Promise.all(
    Array.from({ length: 9 }, async () => (await from("198.51.100.1")).status),
  );
  expect(statuses.filter((status) => status === 200)).toHaveLength(4);
  const over = await from("198.51.100.1");
  expect(await problemOf(over)).toEqual([429, "rate_limited"]);
  expect(Number(over.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(over.headers.get("ratelimit")).toMatch(/^"general";r=0;/);
  expect((await from("198.51.100.2")).status).toBe(200);
});

test("sign-ins have a limit of their own, also when the address has requests left", async () => {
  const edge = await givenGateway({ MEDVAULT_LOGIN_RATE: "2" });
  const login = () => edge.call("/v1/auth/login", { method: "POST", body: "{}" });
  expect([(await login()).status, (await login()).status, (await login()).status]).toEqual([200, 200, 429]);
  expect((await login()).headers.get("ratelimit-policy")).toBe('"login";q=2;w=60');
  expect((await edge.call("/docs")).status).toBe(200);
});

test.each(["cut", "stall"] as const)(
  "without Redis (%s): sign-in and sessions are 503 with Retry-After, public reads go on under a tight limit",
  async (how) => {
    const edge = await givenGateway({});
    const doctor = await edge.signIn("doctor");
    expect((await edge.call("/v1/patients", { as: doctor })).status).toBe(200);
    edge.redisLink[how]();
    const calls: [string, RequestInit & { as?: string }][] = [
      ["/v1/patients", { as: doctor.token }],
      ["/v1/auth/login", { method: "POST", body: "{}" }],
      ["/v1/auth/register", { method: "POST", body: "{}" }],
    ];
    const before = edge.services.auth.seen.length;
    for (const [path, init] of calls) {
      const answer = await edge.call(path, init);
      expect(await problemOf(answer), path).toEqual([503, "unavailable"]);
      expect(answer.headers.get("retry-after"), path).toBe("2");
    }
    expect(edge.services.auth.seen.length).toBe(before);
    const statuses = await Promise.all(
      Array.from({ length: 40 }, async () => (await edge.call("/docs")).status),
    );
    expect(statuses.filter((status) => status === 200).length).toBe(30);
    expect(statuses.filter((status) => status === 429).length).toBe(10);
    await vi.waitFor(async () => {
      const ready = await edge.call("/readyz");
      expect([ready.status, await ready.json()]).toMatchObject([
        200,
        { status: "degraded", checks: { redis: "down" } },
      ]);
    }, 5_000);
    edge.redisLink.restore();
    await vi.waitFor(async () => expect((await edge.call("/v1/patients", { as: doctor })).status).toBe(200), {
      timeout: 10_000,
      interval: 90,
    });
  },
);
