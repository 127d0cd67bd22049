import { defineRoutes, newId } from "@medvault/contracts";
import { createPool } from "@medvault/postgres";
import { CommonConfig, route } from "@medvault/service-kit";
import { createProxy, createTestDatabase, startTestService } from "@medvault/testing";
import { afterAll, expect, test, vi } from "vitest";
import { defineService } from "./service.ts";

const api = defineRoutes({
  read: { method: "GET", path: "/v1/files/{id}", summary: "Read", permission: "file:read" },
  bulk: {
    method: "GET",
    path: "/v1/files/{id}/content",
    summary: "Read",
    permission: "file:read",
    slow: true,
  },
});
let storeHangs = false;
const database = await createTestDatabase(["files"]);
const proxy = await createProxy(database.url("files"));
const pool = createPool({ connectionString: proxy.url, applicationName: "test" });
const service = await startTestService(
  defineService({
    name: "files",
    config: CommonConfig,
    open: (parts) => parts,
    routes: ({ pool: db }) => [
      route(api.read, async () => {
        await db.query("select 1");
        return {};
      }),
      route(api.bulk, async () => {
        await db.query("select pg_sleep(3)");
        return {};
      }),
    ],
    checks: () => ({ store: () => (storeHangs ? new Promise(() => undefined) : "ok") }),
  }),
  { database, pool },
);
afterAll(async () => {
  await service.close();
  await pool.end();
  await proxy.close();
  await database.drop();
});
const doctor = service.someone("doctor");
const readyz = async () => (await doctor.get<{ checks: Record<string, string> }>("/readyz")).body.checks;

test("readyz names the part that hangs, beside those that work, and that it is back, each within 2 s", async () => {
  const fine = { postgres: "ok", rabbitmq: "ok", store: "ok" };
  expect(await readyz()).toEqual(fine);
  storeHangs = true;
  expect(await readyz()).toEqual({ ...fine, store: "down" });
  storeHangs = false;
  proxy.stall();
  const since = performance.now();
  expect(await readyz()).toEqual({ ...fine, postgres: "down" });
  expect(performance.now() - since).toBeLessThan(2_000);
  proxy.restore();
  await vi.waitFor(async () => expect(await readyz()).toEqual(fine), 2_000);
});

test("a frozen Postgres is 503 within 3 s for many at once, and works again within 2 s after", async () => {
  proxy.stall();
  const asked = Array.from({ length: 30 }, async () => {
    const since = performance.now();
    const { status, headers } = await doctor.get(`/v1/files/${newId()}`);
    return { status, retryAfter: headers.get("retry-after"), ms: performance.now() - since };
  });
  for (const { status, retryAfter, ms } of await Promise.all(asked)) {
    expect([status, retryAfter]).toEqual([503, "2"]);
    expect(ms).toBeLessThan(3_500);
  }
  proxy.restore();
  await vi.waitFor(async () => expect((await doctor.get(`/v1/files/${newId()}`)).status).toBe(204), 2_000);
  expect(pool.waitingCount).toBe(0);
});

test("only what a route's document declares as slow may keep its database longer", async () => {
  expect((await doctor.get(`/v1/files/${newId()}/content`)).status).toBe(204);
});
