import { expect, test } from "vitest";
import { awkwardViews, someEnd, view } from "../services/audit/src/exports/awkward.testdata.ts";
import { auditEvent, auditEventOfEnd } from "../services/audit/src/exports/fhir-audit-event.ts";
import type { FhirResource } from "../services/records/src/fhir/resource.ts";
import { findingsOf } from "../services/records/src/fhir/valid.ts";
import { secondOpinion } from "../services/records/test/r4-validator.ts";

test("every entry of the audit log, and the end of an export, is an AuditEvent by two validators of R4", () => {
  for (const resource of [...awkwardViews().map(auditEvent), auditEventOfEnd(someEnd())]) {
    const sent = JSON.parse(JSON.stringify(resource)) as FhirResource;
    expect(findingsOf(sent), JSON.stringify(sent)).toEqual([]);
    expect(secondOpinion(sent), JSON.stringify(sent)).toEqual([]);
  }
});

test("an AuditEvent says who did what to whom, why, from where, and with which outcome", () => {
  const one = view({ outcome: "denied", decision: { allowed: false, reason: "not_assigned" } });
  expect(auditEvent(one)).toMatchObject({
    resourceType: "AuditEvent",
    id: one.id,
    action: "R",
    recorded: one.time,
    outcome: "4",
    outcomeDesc: "not_assigned",
    purposeOfEvent: [{ coding: [{ code: "TREAT" }] }],
    agent: [{ altId: one.actor?.id, name: "Anna Weber", requestor: true, network: { address: one.ip } }],
    source: { observer: { display: "records" } },
    entity: [
      ...one.patientIds.map((id) => ({ what: { reference: `Patient/${id}` }, role: { code: "1" } })),
      { name: "prescription/1", detail: expect.arrayContaining([{ type: "index", valueString: "41" }]) },
    ],
  });
});
