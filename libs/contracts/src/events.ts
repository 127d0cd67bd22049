import { z } from "zod";
import { type Actor, purposeOf } from "./actor.ts";
import { EMERGENCY } from "./break-glass/schemas.ts";
import { Instant } from "./http.ts";
import { Id } from "./ids.ts";

const Code = z.string().regex(/^[a-z][a-zA-Z0-9_.:-]{0,99}$/);

/** Who, from where, whose data, why, decided how. Never field contents, never free text. */
export const AuditEventData = z.strictObject({
  actor: z
    .strictObject({ id: z.string().min(1).max(100), role: Code, sessionId: z.string().max(100).nullable() })
    .nullable(),
  from: z.strictObject({ ip: z.string().max(64), userAgent: z.string().max(512) }).nullable(),
  patientIds: z.array(Id).max(1000),
  action: Code,
  purpose: z.string().max(40).nullable(),
  decision: z.strictObject({ allowed: z.boolean(), reason: Code }),
  outcome: z.enum(["success", "denied", "failure"]),
  fields: z.array(z.string().max(100)).max(200),
  details: z
    .record(
      z.string().regex(/^[a-z][a-zA-Z0-9]{0,63}$/),
      z.union([z.string().max(200), z.number(), z.boolean(), z.null()]),
    )
    .optional(),
});
export type AuditEventData = z.infer<typeof AuditEventData>;

export const EventType = z
  .string()
  .max(120)
  .regex(/^medvault\.[a-z]+(\.[a-z][a-z0-9_-]*)+\.v[1-9][0-9]*$/);
export const EventSubject = z
  .string()
  .max(200)
  .regex(/^[a-z][a-z0-9-]*(\/[A-Za-z0-9._:@-]+)*$/);

/** An event as a use case hands it to the outbox; id, time and sequence are given there. */
export interface NewEvent {
  /** `medvault.records.prescription.read.v1` */
  type: string;
  /** `prescription/<id>` */
  subject: string;
  data: AuditEventData;
  requestId: string | null;
  traceparent: string | null;
  /** `audit` (default) goes to the log; `domain` to other services, its type as routing key. */
  audience?: "audit" | "domain";
}

/** CloudEvents 1.0 in JSON, with our extensions. */
export const CloudEvent = z.strictObject({
  specversion: z.literal("1.0"),
  id: Id,
  source: z.string().regex(/^\/medvault\/[a-z]+(\/[A-Za-z0-9._-]{1,64})?$/),
  type: EventType,
  subject: EventSubject,
  time: Instant,
  datacontenttype: z.literal("application/json"),
  data: AuditEventData,
  requestid: z.string().max(128).optional(),
  traceparent: z.string().max(64).optional(),
  producerepoch: z.number().int().nonnegative().optional(),
  producerseq: z.number().int().nonnegative().optional(),
});
export type CloudEvent = z.infer<typeof CloudEvent>;

export interface AuditEventInput {
  type: string;
  subject: string;
  /** A code such as `prescription:read`. */
  action: string;
  patientIds?: readonly string[];
  outcome?: "success" | "denied" | "failure";
  /** Why it was decided so: a code such as `assigned`, `not_on_care_team`. Default: the outcome. */
  reason?: string;
  /** Names of the fields that were read or changed. */
  fields?: readonly string[];
  details?: Record<string, string | number | boolean | null>;
  purpose?: string | null;
  audience?: "audit" | "domain";
}

/**
 * The one builder of audit events. Takes who and from where from the actor (null: the system
 * itself, or a caller who is not known), so that no event can forget them. Patients are named once
 * each; more than 1000 throws (split the work into several events instead).
 */
export function auditEvent(actor: Actor | null, input: AuditEventInput): NewEvent {
  const outcome = input.outcome ?? "success";
  const event: NewEvent = {
    type: input.type,
    subject: input.subject,
    requestId: actor?.requestId ?? null,
    traceparent: actor?.traceparent ?? null,
    data: {
      actor: actor ? { id: actor.id, role: actor.role, sessionId: actor.sessionId } : null,
      from: actor ? { ip: actor.ip.slice(0, 64), userAgent: actor.userAgent.slice(0, 512) } : null,
      patientIds: [...new Set(input.patientIds ?? [])],
      action: input.action,
      purpose: purposeIn(actor, input),
      decision: { allowed: outcome !== "denied", reason: input.reason ?? outcome },
      outcome,
      fields: [...(input.fields ?? [])],
    },
  };
  if (event.data.patientIds.length > 1000) throw new RangeError("an event names at most 1000 patients");
  if (input.details) event.data.details = input.details;
  if (input.audience) event.audience = input.audience;
  return event;
}

/** What is done in an emergency is done for it, whatever the caller says. */
function purposeIn(actor: Actor | null, { purpose, reason }: AuditEventInput): string | null {
  if (reason === "break_glass") return EMERGENCY;
  return purpose === undefined ? purposeOf(actor) : purpose;
}

/** An act that was refused: `reason` is the code of the refusal. */
export function deniedEvent(actor: Actor | null, input: AuditEventInput & { reason: string }): NewEvent {
  return auditEvent(actor, { ...input, outcome: "denied" });
}

/** An act that was allowed and failed: `reason` is the code of the failure. */
export function failedEvent(actor: Actor | null, input: AuditEventInput & { reason: string }): NewEvent {
  return auditEvent(actor, { ...input, outcome: "failure" });
}

const DENIALS: ReadonlySet<string> = new Set(["unauthenticated", "forbidden", "not_found"]);

/**
 * The event of an error that a request was answered with: denied (401, 403, 404), or allowed and
 * failed. `noun` is the type without verb and version: `medvault.files.file`.
 */
export function errorEvent(
  actor: Actor | null,
  error: { code: string; kind: string },
  input: Omit<AuditEventInput, "type" | "outcome" | "reason"> & { noun: string },
): NewEvent {
  const { noun, ...rest } = input;
  return DENIALS.has(error.kind)
    ? deniedEvent(actor, { ...rest, type: `${noun}.denied.v1`, reason: error.code })
    : failedEvent(actor, { ...rest, type: `${noun}.failed.v1`, reason: error.code });
}
