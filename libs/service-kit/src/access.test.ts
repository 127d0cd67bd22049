import { DEFAULT_PERMISSIONS } from "@medvault/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { DOCTOR, doc, fieldOf, GUEST, type Harness, startService } from "../test/harness.ts";
import { route } from "./route.ts";

let service: Harness;
beforeAll(async () => {
  service = await startService([
    route({ ...doc("GET", "/v1/prescriptions"), response: z.unknown() }, async ({ actor, scope }) => {
      const { id, purpose, requestId, traceparent } = actor;
      return { body: { id, purpose, requestId, traceparent, scope } };
    }),
    route({ ...doc("DELETE", "/v1/users/{id}", "user:delete"), stepUp: true }, async () => ({})),
    route({ ...doc("GET", "/v1/me", null), session: true }, async () => ({})),
    route({ ...doc("DELETE", "/v1/sessions", "session:end"), scope: "any", stepUp: true }, async () => ({})),
    route({ ...doc("POST", "/v1/login", null), status: 200 }, async () => ({})),
  ]);
});
afterAll(() => service.close());

test("the actor comes from the assertion and the forwarded headers, never from identity headers", async () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const answer = await service.call("/v1/prescriptions", {
    headers: {
      "x-purpose": "ETREAT",
      "x-request-id": "req-1",
      traceparent,
      "x-user-id": "evil",
      "x-forwarded-user": "evil",
    },
  });
  expect(await answer.json()).toEqual({
    id: "0198f000-0000-7000-8000-000000000001",
    purpose: "ETREAT",
    requestId: "req-1",
    traceparent,
    scope: "assigned",
  });
});

test("an unknown purpose is 400: its sender would believe that it is logged", async () => {
  const answer = await service.call("/v1/prescriptions", { headers: { "x-purpose": "BECAUSE" } });
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ code: "invalid_input", errors: [{ path: "X-Purpose" }] });
});

test("the widest scope decides", async () => {
  const scope = "prescription:read:own prescription:read:any prescription:read:assigned";
  expect(await (await service.call("/v1/prescriptions", { as: { scope } })).json()).toMatchObject({
    scope: "any",
  });
});

test("a caller without the permission is refused with evidence: 403 when signed in, 401 for a guest", async () => {
  const before = service.refusals.length;
  const doctor = await service.call("/v1/prescriptions", {
    as: { scope: "prescription:read prescription:reader:any" },
  });
  expect([doctor.status, await fieldOf(doctor, "code")]).toEqual([403, "forbidden"]);
  const guest = await service.call("/v1/prescriptions", { as: GUEST });
  expect([guest.status, await fieldOf(guest, "code")]).toEqual([401, "unauthenticated"]);
  expect(service.refusals.slice(before)).toEqual([
    { code: "forbidden", actorId: "0198f000-0000-7000-8000-000000000001" },
    { code: "unauthenticated", actorId: "guest" },
  ]);
});

test("where a document names the scope any, a narrower one is refused, before a step-up is asked for", async () => {
  const end = (scope: string, auth_time = 0) =>
    service.call("/v1/sessions", { method: "DELETE", as: { scope, auth_time } });
  const own = await end("session:end:own");
  expect([own.status, await fieldOf(own, "code")]).toEqual([403, "forbidden"]);
  expect(await fieldOf(await end("session:end:own session:end:any"), "code")).toBe("step_up_required");
  expect((await end("session:end:any", Math.floor(Date.now() / 1000))).status).toBe(204);
});

test("a guest reaches what is open, and not what needs a session", async () => {
  expect((await service.call("/v1/login", { method: "POST", as: GUEST })).status).toBe(200);
  expect((await service.call("/v1/me", { as: GUEST })).status).toBe(401);
  expect(
    (await service.call("/v1/me", { as: { role: "service", sub: "service:gateway", sid: null } })).status,
  ).toBe(401);
});

test("a step-up older than ten minutes is asked for again, with evidence", async () => {
  const now = Math.floor(Date.now() / 1000);
  const scope = "user:delete:any";
  const old = await service.call(`/v1/users/${DOCTOR.sub}`, {
    method: "DELETE",
    as: { scope, auth_time: now - 601 },
  });
  expect([old.status, await fieldOf(old, "code")]).toEqual([403, "step_up_required"]);
  expect(service.refusals.at(-1)?.code).toBe("step_up_required");
  const fresh = await service.call(`/v1/users/${DOCTOR.sub}`, {
    method: "DELETE",
    as: { scope, auth_time: now - 590 },
  });
  expect(fresh.status).toBe(204);
});

test("a malformed id in a path is 404, whatever else is wrong with the request", async () => {
  const answer = await service.call("/v1/users/no-id", {
    method: "DELETE",
    as: { scope: "user:delete:any" },
  });
  expect([answer.status, await fieldOf(answer, "code")]).toEqual([404, "not_found"]);
});

test("guests may register themselves by default, and nothing else", () => {
  expect(DEFAULT_PERMISSIONS.guest).toEqual(["account:register:own"]);
});
