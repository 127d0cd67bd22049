import { AppError, defineRoutes, NotFound, newId } from "@medvault/contracts";
import { CommonConfig, markRecorded, route } from "@medvault/service-kit";
import { actor, startTestService, type TestService } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { startConsumers } from "./consumers.ts";
import { defineService } from "./service.ts";

class SlotTaken extends AppError {
  readonly code = "version_conflict";
  readonly kind = "conflict";
}

const api = defineRoutes({
  create: {
    method: "POST",
    path: "/v1/prescriptions",
    summary: "Prescribe",
    permission: "prescription:write",
    request: z.looseObject({ patientId: z.string().optional() }),
  },
  read: { method: "GET", path: "/v1/prescriptions/{id}", summary: "Read", permission: "prescription:read" },
  care: {
    method: "GET",
    path: "/v1/patients/{id}/records",
    summary: "List",
    permission: "record:read",
    resource: "patient",
  },
  role: { method: "GET", path: "/v1/roles/{role}", summary: "Role", permission: "role:read" },
  silent: {
    method: "DELETE",
    path: "/v1/prescriptions/{id}",
    summary: "Delete",
    permission: "prescription:delete",
  },
});

let storeState: "ok" | "away" = "ok";
const declared = defineService({
  name: "files",
  config: CommonConfig,
  open: ({ pool, now }) => ({ pool, now }),
  routes: () => [
    route(api.create, async () => {
      throw new SlotTaken();
    }),
    route(api.read, async () => {
      throw new NotFound();
    }),
    route(api.role, async () => {
      throw new NotFound();
    }),
    route(api.care, async () => {
      throw new Error("nobody expected this");
    }),
    route(api.silent, async () => {
      throw markRecorded(new NotFound());
    }),
  ],
  checks: () => ({
    store: async () => {
      if (storeState === "away") throw new Error("away");
    },
    writer: () => "degraded",
  }),
  evidence: ["conflict"],
});

let service: TestService<unknown>;
beforeAll(async () => {
  service = await startTestService(declared);
});
afterAll(() => service.close());

test("a refusal's event says who asked for what under which permission, by the route's document, and never whether it is there", async () => {
  const doctor = actor("doctor");
  const id = newId();
  await service.as(doctor).get(`/v1/prescriptions/${id}`);
  await service.as(doctor).get("/v1/prescriptions/no-id");
  const [known, malformed] = await service.events();
  expect(known).toMatchObject({ type: "medvault.files.request.denied.v1", subject: `prescription/${id}` });
  expect(known?.data).toMatchObject({
    actor: { id: doctor.id },
    action: "prescription:read",
    decision: { allowed: false, reason: "not_found" },
    details: { method: "GET", route: "/v1/prescriptions/{id}" },
  });
  expect(malformed).toMatchObject({ subject: "prescription" });
});

test("a patient named by path, query or body is named in the event, so that they see who tried", async () => {
  const [inPath, inQuery, inBody] = [newId(), newId(), newId()];
  const admin = service.someone("admin");
  await admin.get(`/v1/patients/${inPath}/records`);
  await admin.get(`/v1/prescriptions/${newId()}?patientId=${inQuery}`);
  await admin.post("/v1/prescriptions", { patientId: inBody });
  const events = await service.events();
  expect(events.map(({ data }) => data.patientIds)).toEqual([[inPath], [inQuery], [inBody]]);
  expect(events.map(({ type, data }) => [type, data.outcome, data.decision.reason])).toEqual([
    ["medvault.files.request.failed.v1", "failure", "internal_error"],
    ["medvault.files.request.denied.v1", "denied", "not_found"],
    ["medvault.files.request.failed.v1", "failure", "version_conflict"],
  ]);
});

test("a refusal about a role names it, and nothing else that was typed in its place", async () => {
  const admin = service.someone("admin");
  await admin.get("/v1/roles/doctor");
  await admin.get("/v1/roles/ada-marsh");
  expect((await service.events()).map(({ subject }) => subject)).toEqual(["role/doctor", "role"]);
});

test("a refusal whose event a use case has written leaves no second event", async () => {
  const answer = await service.someone("doctor").delete(`/v1/prescriptions/${newId()}`);
  expect([answer.status, await service.events()]).toEqual([404, []]);
});

test("a queue that belongs to another service ends the start, by name", () => {
  const foreign = { queue: "medvault.filesystem", bindings: [], handle: async () => {} };
  const parts = {} as Parameters<typeof startConsumers>[2];
  expect(() => startConsumers("files", [foreign], parts)).toThrow(
    "medvault.filesystem is not a queue of files",
  );
});

test("readiness shows Postgres, the broker, and what the service declares", async () => {
  const checks = async () => (await service.someone("guest").get<{ checks: object }>("/readyz")).body.checks;
  expect(await checks()).toEqual({ postgres: "ok", rabbitmq: "ok", store: "ok", writer: "degraded" });
  storeState = "away";
  expect(await checks()).toMatchObject({ store: "down" });
});
