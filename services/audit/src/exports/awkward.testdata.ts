import { type AuditEventView, newId } from "@medvault/contracts";
import type { ExportEnd } from "./format.ts";

/** Texts that try to be something else in a line, a cell, a header or a field. */
export const AWKWARD_TEXTS = [
  "=HYPERLINK(1)",
  "+1|2",
  "-1=2",
  "@SUM(1)",
  "\t=1",
  "\r=1",
  "\n=1",
  'say "a", b; c',
  "a\r\nb",
  "one\nCEF:0|MedVault|audit|1|forged|forged|10|src=192.0.2.1",
  "x src=192.0.2.66 outcome=success",
  "back\\slash \\n \\| \\=",
  "ends with a backslash\\",
  "\\",
  "a|b|c",
  "a=b=c",
  "\u2028\u2029\u0085\u000b\u000c",
  "\u0000\u0001\u001f\u007f",
  "   ",
  "emoji 🩺, ü, \ud83d",
  "'; drop table log; --",
  "x".repeat(400),
] as const;

export const view = (overrides: Partial<AuditEventView> = {}): AuditEventView => ({
  id: newId(),
  index: 41,
  time: "2026-01-02T03:04:05.678Z",
  type: "medvault.records.prescription.read.v1",
  producer: "records",
  actor: { id: newId(), role: "doctor", sessionId: newId(), name: "Anna Weber" },
  patientId: null,
  patientIds: [newId(), newId()],
  subject: "prescription/1",
  action: "prescription:read",
  outcome: "success",
  purpose: "TREAT",
  ip: "192.0.2.7",
  userAgent: "vitest",
  requestId: newId(),
  fields: ["medication", "dosage"],
  details: { limit: 20, returned: 3, complete: true, kind: null, code: "x" },
  decision: { allowed: true, reason: "assigned" },
  damaged: false,
  ...overrides,
});

/** Views of every shape: with nothing in them, and with each text wherever a text may be. */
export const awkwardViews = (): AuditEventView[] => [
  view(),
  view({
    outcome: "denied",
    action: "claim:write",
    ip: "2001:db8::7",
    type: "medvault.records.claim.created.v1",
  }),
  view({ outcome: "failure", type: "medvault.auth.login.failed.v1", actor: null, decision: null }),
  view({
    ...{ actor: null, patientIds: [], subject: null, action: null, outcome: null, purpose: null, ip: null },
    ...{ userAgent: null, requestId: null, fields: [], details: {}, decision: null, damaged: true },
  }),
  view({ time: "2026-01-02T03:04:05Z", producer: "gateway/a1", ip: null }),
  view({ type: "medvault.records.record.deleted.v1", subject: "record/1", purpose: null }),
  ...AWKWARD_TEXTS.map((text) =>
    view({
      ...{ subject: text, userAgent: text, requestId: text, fields: [text], details: { text } },
      actor: { id: newId(), role: "doctor", sessionId: text, name: text },
      decision: { allowed: false, reason: text },
    }),
  ),
];

export const someEnd = (): ExportEnd => ({
  ...{ first: 10, end: 40, count: 7, time: new Date("2026-01-02T03:04:05.678Z"), filter: { subject: "a" } },
  checkpoint: "example.test/audit\n40\nq83v\n\n— example.test/audit q83v\n",
  proof: "/v1/audit/export?format=ndjson&after=9&before=40&subject=a",
});
