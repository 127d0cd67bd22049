import type { AuditEventView } from "@medvault/contracts";
import { expect, test } from "vitest";
import { visitsOf } from "./visit.ts";

const act = (minute: number, who: string, damaged = false): AuditEventView => ({
  ...{ id: `${who}${minute}`, index: minute, type: "medvault.records.record.read.v1", producer: "records" },
  time: new Date(Date.UTC(2026, 0, 1) + minute * 60_000).toISOString(),
  actor: damaged ? null : { id: who, role: "doctor", sessionId: null },
  ...{ patientId: "p", patientIds: ["p"], subject: "record/1", action: "record:read", purpose: "TREAT" },
  ...{ outcome: "success", ip: null, userAgent: null, requestId: null, fields: [], details: {} },
  ...{ decision: { allowed: true, reason: "assigned" }, damaged },
});
const whose = { callerId: "me", charts: new Set(["p"]) };
const ids = (acts: AuditEventView[], limit = 10) => {
  const { visits, taken } = visitsOf(acts, limit, whose);
  return [visits.map(({ events }) => events.map(({ id }) => id).join(" ")), taken];
};

test("acts of one person with less than 30 minutes between them are one visit, also where others came between", () => {
  expect(ids([act(60, "a"), act(59, "b"), act(31, "a"), act(30, "b"), act(0, "b")])).toEqual([
    ["a60 a31", "b59 b30", "b0"],
    5,
  ]);
});

test("a page ends before the visit that is one too many, and says how many acts it took", () => {
  expect(ids([act(60, "a"), act(59, "b"), act(58, "a"), act(57, "c"), act(56, "a")], 2)).toEqual([
    ["a60 a58", "b59"],
    3,
  ]);
  expect(visitsOf([], 2, whose)).toEqual({ visits: [], taken: 0 });
});

test("a damaged entry is shown as one, by nobody, and has no proof", () => {
  const { visits } = visitsOf([act(2, "a"), act(1, "a", true)], 5, whose);
  expect(visits.map(({ actorId }) => actorId)).toEqual(["a", null]);
  expect(visits[1]?.events[0]).toMatchObject({ hasProof: false, words: expect.stringContaining("damaged") });
});
