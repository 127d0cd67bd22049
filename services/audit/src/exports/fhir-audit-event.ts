import type { AuditEventView } from "@medvault/contracts";
import { type Activity, activityOf } from "./activity.ts";
import type { ExportEnd } from "./format.ts";
import { oneLine, present } from "./text.ts";

/** https://hl7.org/fhir/R4/auditevent.html, and the value sets that its elements are bound to. */
const TERMINOLOGY = "http://terminology.hl7.org/CodeSystem";
const REST = { system: `${TERMINOLOGY}/audit-event-type`, code: "rest", display: "RESTful Operation" };
/** Names of our own: types of events, ids of people. */
const EVENT_TYPE = "urn:medvault:event-type";
const USER = "urn:medvault:user";
const SERVICE = "urn:medvault:service";
const APPLICATION_SERVER = { system: `${TERMINOLOGY}/security-source-type`, code: "4" };
const ENTITY = `${TERMINOLOGY}/audit-entity-type`;
const [PERSON, SYSTEM_OBJECT] = ["1", "2"].map((code) => ({ system: ENTITY, code }));
const PATIENT = { system: `${TERMINOLOGY}/object-role`, code: "1", display: "Patient" };
const ACTIONS: Readonly<Record<Activity, string>> = {
  ...{ create: "C", read: "R", update: "U", delete: "D" },
  other: "E",
};
/** 0 success, 4 minor failure, 8 serious failure. */
const OUTCOMES = { success: "0", denied: "4", failure: "8" } as const;
const IP_ADDRESS = "2";

/** An entry as a FHIR R4 AuditEvent. People are named by their ids, as in the log. */
export function auditEvent(event: AuditEventView): object {
  const { actor } = event;
  const purpose = oneLine(event.purpose);
  const network = event.ip ? { address: event.ip, type: IP_ADDRESS } : null;
  const detail = detailsOf(event);
  return {
    resourceType: "AuditEvent",
    id: event.id,
    type: REST,
    subtype: [{ system: EVENT_TYPE, code: event.type }],
    action: ACTIONS[activityOf(event)],
    recorded: event.time,
    ...(event.outcome ? { outcome: OUTCOMES[event.outcome] } : {}),
    ...present({ outcomeDesc: oneLine(event.decision?.reason ?? event.outcome) }),
    ...(purpose ? { purposeOfEvent: [purposeOf(purpose)] } : {}),
    agent: [
      {
        ...(actor
          ? {
              who: { identifier: { system: USER, value: actor.id } },
              ...(actor.role ? { role: [{ text: actor.role }] } : {}),
              ...present({ altId: oneLine(actor.id), name: oneLine(actor.name ?? null) }),
            }
          : { who: service(event.producer) }),
        requestor: true,
        ...present({ network }),
      },
    ],
    source: { observer: service(event.producer), type: [APPLICATION_SERVER] },
    entity: [
      ...event.patientIds.map((id) => ({
        what: { reference: `Patient/${id}` },
        ...{ type: PERSON, role: PATIENT },
      })),
      { type: SYSTEM_OBJECT, ...present({ name: oneLine(event.subject) }), detail },
    ],
  };
}

/** Where the export ended, as an AuditEvent of its own. */
export function auditEventOfEnd({ first, end, count, time, checkpoint, proof }: ExportEnd): object {
  return {
    resourceType: "AuditEvent",
    type: REST,
    subtype: [{ system: EVENT_TYPE, code: "medvault.audit.export.end" }],
    action: "R",
    recorded: time.toISOString(),
    outcome: OUTCOMES.success,
    agent: [{ who: service("audit"), requestor: false }],
    source: { observer: service("audit"), type: [APPLICATION_SERVER] },
    entity: [
      {
        type: SYSTEM_OBJECT,
        name: "the end of an export",
        detail: details({ first, end, count, checkpoint, proof }),
      },
    ],
  };
}

const service = (name: string) => ({ identifier: { system: SERVICE, value: name }, display: name });

const purposeOf = (code: string) => ({ coding: [{ system: `${TERMINOLOGY}/v3-ActReason`, code }] });

function detailsOf(event: AuditEventView): object[] {
  return details({
    index: event.index,
    action: event.action,
    sessionId: event.actor?.sessionId ?? null,
    requestId: event.requestId,
    userAgent: event.userAgent,
    fields: event.fields.join(" "),
    ...Object.fromEntries(Object.entries(event.details).map(([name, value]) => [`details.${name}`, value])),
    damaged: event.damaged || null,
  });
}

function details(fields: Readonly<Record<string, string | number | boolean | null>>): object[] {
  return Object.entries(fields).flatMap(([type, value]) => {
    // A checkpoint keeps its lines: they are what is signed.
    const text = type === "checkpoint" ? String(value ?? "") : oneLine(value === null ? null : String(value));
    return text ? [{ type, valueString: text }] : [];
  });
}
