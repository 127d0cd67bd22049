import { expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { type Actor, scopeOf } from "./actor.ts";
import { careTeamApi } from "./care-team/routes.ts";
import { claimApi } from "./claims/routes.ts";
import type { ClaimListQuery, ClaimStep } from "./claims/schemas.ts";
import { AppError, DETAIL_OF_KIND, NotFound, STATUS_OF_KIND, Unavailable } from "./errors.ts";
import { AuditEventData, auditEvent, CloudEvent, deniedEvent } from "./events.ts";
import { decodeCursor, encodeCursor, PageQuery, page } from "./http.ts";
import { Id, newId } from "./ids.ts";
import { openApiDocument } from "./openapi/document.ts";
import { DEFAULT_PERMISSIONS, PERMISSIONS, ROLES, SERVICE_PERMISSIONS } from "./permissions.ts";
import { authRoutes, recordsRoutes } from "./public-routes.ts";
import {
  type AnswerOf,
  type BodyOf,
  codesOf,
  defineRoutes,
  type ParamsOf,
  type QueryOf,
  resourceOf,
  statusOf,
} from "./route.ts";
import { sessionApi } from "./sessions/routes.ts";

const actor: Actor = {
  id: newId(),
  role: "doctor",
  sessionId: newId(),
  permissions: new Set([
    "record:read:own",
    "record:read:assigned",
    "records:read:any",
    "record:read:anything",
  ]),
  authTime: 0,
  amr: [],
  ip: "203.0.113.1",
  userAgent: "x".repeat(2000),
  requestId: "r-1",
  purpose: null,
  traceparent: null,
};

test("ids are UUIDv7, sort by time, and have one spelling", () => {
  const ids = Array.from({ length: 10_000 }, newId);
  expect([...ids].sort()).toEqual(ids);
  expect(new Set(ids.map((id) => id.slice(-12))).size).toBe(ids.length); // random to the end
  expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  expect(Id.parse(ids[0]?.toUpperCase())).toBe(ids[0]);
  expect(Id.safeParse("1").success).toBe(false);
});

test("the widest scope held decides, and look-alikes are none", () => {
  expect(scopeOf(actor, "record:read")).toBe("assigned");
  expect(scopeOf(actor, "record:write")).toBeNull();
  expect(scopeOf(actor, "record")).toBeNull();
});

test("default permissions are all known, without repetition; guests register and no more, auditors read no PHI, services' own are nobody's", () => {
  for (const role of ROLES) {
    const held = DEFAULT_PERMISSIONS[role];
    expect(
      held.filter((permission) => !PERMISSIONS.includes(permission)),
      role,
    ).toEqual([]);
    expect(new Set(held).size, role).toBe(held.length);
    expect(
      held.some((permission) => SERVICE_PERMISSIONS.includes(permission)),
      role,
    ).toBe(false);
  }
  expect(DEFAULT_PERMISSIONS.guest).toEqual(["account:register:own"]);
  const phi = /^(patient|record|prescription|claim|file|fhir|careteam|phi):/;
  expect(DEFAULT_PERMISSIONS.auditor.filter((permission) => phi.test(permission))).toEqual([]);
  expect(
    DEFAULT_PERMISSIONS.patient.filter(
      (permission) =>
        !/:(own|any)$/.test(permission) || (phi.test(permission) && permission.endsWith(":any")),
    ),
  ).toEqual([]);
  expect(
    DEFAULT_PERMISSIONS.doctor.filter(
      (permission) => phi.test(permission) && !permission.endsWith(":assigned"),
    ),
  ).toEqual([]);
});

test("every kind of error has a status and a detail, and an error keeps its cause to itself", () => {
  expect(Object.keys(DETAIL_OF_KIND).sort()).toEqual(Object.keys(STATUS_OF_KIND).sort());
  const away = new Unavailable(undefined, 3, { cause: new Error("secret") });
  expect(away).toBeInstanceOf(AppError);
  expect([away.code, away.retryAfterSeconds, away.message, JSON.stringify(away)]).toEqual([
    "unavailable",
    3,
    "",
    expect.not.stringContaining("secret"),
  ]);
  expect(new NotFound().name).toBe("NotFound");
});

test("an event takes who and from where from the actor, names each patient once, and fits its schema", () => {
  const patient = newId();
  const event = auditEvent(actor, {
    type: "medvault.records.record.read.v1",
    subject: `record/${newId()}`,
    action: "record:read",
    patientIds: [patient, patient],
    reason: "assigned",
    details: { count: 2 },
  });
  expect(AuditEventData.parse(event.data)).toMatchObject({
    actor: { id: actor.id, role: "doctor" },
    patientIds: [patient],
    purpose: "TREAT",
    decision: { allowed: true, reason: "assigned" },
    outcome: "success",
  });
  expect(event.data.from?.userAgent).toHaveLength(512);
  const envelope = {
    specversion: "1.0",
    id: newId(),
    source: "/medvault/records",
    type: event.type,
    subject: event.subject,
  };
  const whole = {
    ...envelope,
    time: new Date().toISOString(),
    datacontenttype: "application/json",
    data: event.data,
  };
  expect(CloudEvent.safeParse({ ...whole, producerepoch: 0, producerseq: 1, requestid: "r-1" }).success).toBe(
    true,
  );
  for (const bad of [
    { source: "/elsewhere/records" },
    { type: "medvault.Records.v1" },
    { extra: 1 },
    { subject: "a b" },
  ]) {
    expect(CloudEvent.safeParse({ ...whole, ...bad }).success, JSON.stringify(bad)).toBe(false);
  }
});

test("a refusal's event says so; free text and nested values do not fit into any event", () => {
  const input = {
    type: "medvault.records.record.read.v1",
    subject: "record/1",
    action: "record:read",
    reason: "forbidden",
  };
  expect(deniedEvent(null, input).data).toMatchObject({
    actor: null,
    decision: { allowed: false },
    outcome: "denied",
  });
  const { data } = auditEvent(actor, input);
  const bad = [
    { ...data, decision: { allowed: true, reason: "because he asked me to" } },
    { ...data, details: { note: "x".repeat(201) } },
    { ...data, details: { nested: { a: 1 } } },
    { ...data, note: "free" },
  ];
  for (const value of bad) expect(AuditEventData.safeParse(value).success).toBe(false);
  const tooMany = { ...input, patientIds: Array.from({ length: 1001 }, newId) };
  expect(() => auditEvent(actor, tooMany)).toThrow(RangeError);
});

test("pages and cursors: bounds, a round trip, and what is no cursor of ours", () => {
  expect(PageQuery.parse({})).toEqual({ limit: 20 });
  for (const limit of ["0", "101", "x", "1.5"])
    expect(PageQuery.safeParse({ limit }).success, limit).toBe(false);
  expect(PageQuery.safeParse({ offset: "1" }).success).toBe(false);
  const Position = z.tuple([z.iso.datetime(), Id]);
  const position: [string, string] = [new Date().toISOString(), newId()];
  expect(decodeCursor(Position, encodeCursor(position))).toEqual(position);
  expect(decodeCursor(Position, undefined)).toBeUndefined();
  for (const bad of ["%%%", "bm90IGpzb24", encodeCursor({ a: 1 }), encodeCursor(["x", "y"])]) {
    expect(() => decodeCursor(Position, bad)).toThrow(expect.objectContaining({ code: "invalid_input" }));
  }
  expect(page(Id).parse({ items: [], nextCursor: null })).toEqual({ items: [], nextCursor: null });
});

test("a route's document has its parameters, body, permission and problems", () => {
  const document = openApiDocument(
    [
      {
        method: "PUT",
        path: "/v1/things/{id}",
        summary: "Change",
        permission: "record:write",
        query: z.strictObject({ dry: z.stringbool().optional() }),
        request: z.strictObject({ name: z.string() }),
        errors: ["version_conflict"],
      },
    ],
    { title: "t", version: "1" },
  );
  expect(document).toMatchObject({
    openapi: "3.1.0",
    paths: {
      "/v1/things/{id}": {
        put: {
          operationId: "putThingsId",
          "x-permission": "record:write",
          security: [{ bearer: [] }, { cookie: [] }],
          parameters: [
            { name: "id", in: "path", required: true },
            { name: "dry", in: "query", required: false },
            { $ref: "#/components/parameters/RequestId" },
            { $ref: "#/components/parameters/Purpose" },
            { $ref: "#/components/parameters/CsrfToken" },
            { $ref: "#/components/parameters/IfMatch" },
          ],
          requestBody: { content: { "application/json": { schema: { additionalProperties: false } } } },
          responses: {
            204: {},
            400: { $ref: "#/components/responses/invalid_input.request_screened" },
            403: { $ref: "#/components/responses/csrf_failed.forbidden.mfa_enrollment_required.part_closed" },
            412: { $ref: "#/components/responses/version_conflict" },
          },
        },
      },
    },
  });
});

test("a document keeps its path and the types of its schemas, and its rules follow from it", () => {
  const api = defineRoutes({
    replace: {
      method: "PUT",
      path: "/v1/things/{id}/parts/{partId}",
      summary: "Replace",
      permission: "record:write",
      stepUp: true,
      request: z.strictObject({ count: z.stringbool() }),
      response: z.object({ shown: z.string().default("") }),
    },
    remove: { method: "DELETE", path: "/v1/things", summary: "Remove" },
  });
  type Replace = typeof api.replace;
  expectTypeOf<ParamsOf<Replace>>().toEqualTypeOf<{ readonly id: string; readonly partId: string }>();
  expectTypeOf<BodyOf<Replace>>().toEqualTypeOf<{ count: boolean }>();
  expectTypeOf<AnswerOf<Replace>>().toEqualTypeOf<{ shown?: string | undefined }>();
  expectTypeOf<BodyOf<typeof claimApi.submit>>().toEqualTypeOf<ClaimStep | undefined>();
  expectTypeOf<QueryOf<typeof claimApi.list>>().toEqualTypeOf<ClaimListQuery>();
  expectTypeOf<AnswerOf<typeof api.remove>>().toEqualTypeOf<undefined>();
  expect([statusOf(api.replace), statusOf(api.remove), statusOf(claimApi.create)]).toEqual([200, 204, 201]);
  expect([resourceOf(api.replace), resourceOf(api.remove)]).toEqual(["record", undefined]);
  expect(codesOf(api.replace)).toEqual(expect.arrayContaining(["not_found", "step_up_required"]));
  expect(codesOf(api.remove)).not.toContain("not_found");
});

test("no internal route is in a public list", () => {
  const internal = [careTeamApi.checkAccess, sessionApi.introspect, sessionApi.reportBindingViolation];
  for (const route of internal) expect(recordsRoutes.concat(authRoutes)).not.toContain(route);
});
