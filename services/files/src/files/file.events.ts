import {
  type Actor,
  type ActVerb,
  type AuditEventInput,
  auditEvent,
  type NewEvent,
} from "@medvault/contracts";
import type { StoredFile } from "./file.ts";

const ACTIONS = {
  stored: "file:write",
  read: "file:read",
  deleted: "file:delete",
} as const satisfies Partial<Record<ActVerb, string>>;

/** What was done with one file. `reason` is the scope that records allowed it in. */
export function fileEvent(
  actor: Actor,
  verb: keyof typeof ACTIONS,
  file: Pick<StoredFile, "id" | "patientId">,
  rest: Pick<AuditEventInput, "fields" | "details" | "outcome"> & { reason: string },
): NewEvent {
  return auditEvent(actor, {
    type: `medvault.files.file.${verb}.v1`,
    subject: `file/${file.id}`,
    action: ACTIONS[verb],
    patientIds: [file.patientId],
    ...rest,
  });
}

/** `boxSha256` with `rev`: by these a row that was rolled back is found against the log. */
export function storedEvent(actor: Actor, reason: string, file: StoredFile, boxSha256: string): NewEvent {
  const { rev, sizeBytes, contentType, attachedTo } = file;
  return fileEvent(actor, "stored", file, {
    reason,
    details: { rev, boxSha256, sizeBytes, contentType, attachedTo },
  });
}

/** An upload came again with its key, and got its first answer: nothing was stored. */
export function storedAgainEvent(
  actor: Actor,
  reason: string,
  file: { readonly id: string; readonly patientId: string },
): NewEvent {
  return fileEvent(actor, "stored", file, { reason, details: { replayed: true } });
}

/** One event for a list, naming the patients in it. */
export function listedEvent(actor: Actor, reason: string, patientIds: string[], count: number): NewEvent {
  return auditEvent(actor, {
    type: "medvault.files.file.listed.v1",
    subject: "file",
    action: "file:read",
    reason,
    patientIds,
    details: { count },
  });
}

/** That a file's row does not open: an integrity event. */
export function damagedEvent(actor: Actor, { id, patientId }: { id: string; patientId: string }): NewEvent {
  return auditEvent(actor, {
    type: "medvault.files.file.damaged.v1",
    subject: `file/${id}`,
    action: "file:read",
    outcome: "failure",
    reason: "row_damaged",
    patientIds: [patientId],
  });
}

/** Another patient's attachment was asked for: the caller gets an empty list, the log a denial. */
export function attachmentDeniedEvent(actor: Actor, patientId: string): NewEvent {
  return auditEvent(actor, {
    type: "medvault.files.file.denied.v1",
    subject: "file",
    action: "file:read",
    outcome: "denied",
    reason: "not_found",
    patientIds: [patientId],
  });
}
