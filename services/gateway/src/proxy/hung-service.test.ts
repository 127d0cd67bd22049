import { newId, type RouteDoc } from "@medvault/contracts";
import { metricsOf } from "@medvault/service-kit";
import { expect, test, vi } from "vitest";
import { givenGateway, type TestGateway } from "../../test/harness.ts";
import { ROUTES_OF } from "../routing/route-table.ts";

/** What issue and README promise, and a second for a busy machine. */
const BOUND_MS = 3_000 + 1_000;
const interactive = Object.values(ROUTES_OF)
  .flat()
  .filter((doc: RouteDoc) => !doc.slow);

interface Outcome {
  name: string;
  status: number;
  ms: number;
  retryAfter: string | null;
  type: string | null;
}

/** One request to each of these routes, some at a time: this process is client and gateway. */
async function askAll(edge: TestGateway, routes: readonly RouteDoc[], token: string): Promise<Outcome[]> {
  if (routes.length > 10)
    return [
      ...(await askAll(edge, routes.slice(0, 10), token)),
      ...(await askAll(edge, routes.slice(10), token)),
    ];
  return Promise.all(
    routes.map(async ({ method, path }) => {
      const since = performance.now();
      const body = method === "GET" || method === "DELETE" ? {} : { body: "{}" };
      const answer = await edge.call(path.replace(/\{\w+\}/g, newId()), { method, as: token, ...body });
      await answer.text();
      return {
        name: `${method} ${path}`,
        status: answer.status,
        ms: performance.now() - since,
        retryAfter: answer.headers.get("retry-after"),
        type: answer.headers.get("content-type"),
      };
    }),
  );
}

async function readyz(edge: TestGateway): Promise<Record<string, string>> {
  return ((await (await edge.call("/readyz")).json()) as { checks: Record<string, string> }).checks;
}

test("whichever services hang, every interactive route answers within 3 s, then at once, and works again by itself", async () => {
  const edge = await givenGateway({ MEDVAULT_LOGIN_RATE: "1000" });
  const { token } = await edge.signIn("admin");
  await edge.call("/v1/patients", { as: token }); // auth's keys are known
  const services = Object.values(edge.services);
  for (const service of services) service.hangs = true;
  for (const { name, status, ms, retryAfter, type } of await askAll(edge, interactive, token)) {
    expect([503, 504], name).toContain(status);
    expect(retryAfter, name).toBe("2");
    expect(type, name).toMatch(/^application\/problem\+json/);
    expect(ms, name).toBeLessThan(BOUND_MS);
  }
  // By now every breaker is open, for slow routes too.
  const breakers = metricsOf(edge.gateway.app).getSingleMetric("gateway_breaker_state");
  const areOpen = async () => (await breakers?.get())?.values.every(({ value }) => value > 0);
  await vi.waitFor(async () => expect(await areOpen()).toBe(true), { timeout: 10_000 });
  const hasLimit = "/v1/auth/password/forgot"; // three a minute
  const all = Object.values(ROUTES_OF)
    .flat()
    .filter(({ path }) => path !== hasLimit);
  for (let round = 0; round < 5; round++) {
    for (const { name, status, ms } of await askAll(edge, all, token)) {
      expect(status, name).toBe(503);
      expect(ms, name).toBeLessThan(1_000);
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  for (const service of services) service.hangs = false;
  await vi.waitFor(async () => expect((await edge.call("/v1/patients", { as: token })).status).toBe(200), {
    timeout: 5_000,
  });
  await vi.waitFor(async () => expect(new Set(Object.values(await readyz(edge)))).toEqual(new Set(["ok"])), {
    timeout: 5_000,
  });
});

test("readyz tells which service hangs within 5 s, and that it is back, although nobody calls it", async () => {
  const edge = await givenGateway();
  for (const [name, service] of Object.entries(edge.services)) {
    service.hangs = true;
    await vi.waitFor(async () => expect((await readyz(edge))[name]).not.toBe("ok"), { timeout: 5_000 });
    await new Promise((resolve) => setTimeout(resolve, 6_000)); // long enough for the breaker
    service.hangs = false;
    await vi.waitFor(async () => expect((await readyz(edge))[name]).toBe("ok"), { timeout: 5_000 });
  }
}, 90_000);

test("a session that only auth knows is refused in time while auth hangs", async () => {
  const edge = await givenGateway();
  const known = await edge.signIn("doctor");
  await edge.call("/v1/patients", { as: known });
  const unknown = await edge.signIn("doctor", { cached: false });
  edge.services.auth.hangs = true;
  const since = performance.now();
  const answer = await edge.call("/v1/patients", { as: unknown });
  expect([503, 504]).toContain(answer.status);
  expect(performance.now() - since).toBeLessThan(BOUND_MS);
  expect((await edge.call("/v1/patients", { as: known })).status).toBe(200);
});

test("an answer that hangs half-way is cut off in time, so that half of it is not taken for all", async () => {
  const edge = await givenGateway();
  const doctor = await edge.signIn("doctor");
  edge.services.records.raw = (_req, res) => void res.writeHead(200).write("{");
  const since = performance.now();
  const answer = await edge.call("/v1/patients", { as: doctor });
  await expect(answer.text()).rejects.toThrow();
  expect(performance.now() - since).toBeLessThan(BOUND_MS + 1_000); // undici's clock ticks by the second
});
