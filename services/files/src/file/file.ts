import { type Actor, auditEvent, type FileView, type NewEvent } from "@medvault/contracts";

/** A stored file as the service knows it. `key` and `sha256` (of the plain content) exist only in its sealed box. */
export interface StoredFile {
  id: string;
  rev: number;
  patientId: string;
  attachedTo: string | null;
  name: string;
  contentType: string;
  sizeBytes: number;
  sha256: string;
  state: "stored";
  uploadedBy: string;
  /** Where the ciphertext is, and what it must be. */
  blob: string;
  blobBytes: number;
  blobSha256: string;
  /** The file's own key, base64. */
  fileKey: string;
}

export type FoundFile = StoredFile & { createdAt: Date };

/** What callers see of it. */
export function viewOf(file: FoundFile): FileView {
  return {
    id: file.id,
    patientId: file.patientId,
    attachedTo: file.attachedTo,
    name: file.name,
    contentType: file.contentType,
    size: file.sizeBytes,
    sha256: file.sha256,
    state: file.state,
    uploadedBy: file.uploadedBy,
    createdAt: file.createdAt.toISOString(),
  };
}

/** The prescription that a file hangs on, if it does. */
export function prescriptionOf(attachedTo: string | null | undefined): string | undefined {
  return attachedTo?.startsWith("prescription/") ? attachedTo.slice("prescription/".length) : undefined;
}

/** `reason` is the scope that records allowed it in. `boxSha256` with `rev` is what `records:verify`-like checks compare a row with (ARCHITECTURE.md, "Keys"). */
export function storedEvent(actor: Actor, reason: string, file: StoredFile, boxSha256: string): NewEvent {
  return auditEvent(actor, {
    type: "medvault.files.file.stored.v1",
    subject: `file/${file.id}`,
    action: "file:write",
    reason,
    patientIds: [file.patientId],
    details: {
      rev: file.rev,
      boxSha256,
      sizeBytes: file.sizeBytes,
      contentType: file.contentType,
      attachedTo: file.attachedTo,
    },
  });
}

export function readEvent(actor: Actor, reason: string, file: StoredFile, fields: string[]): NewEvent {
  return auditEvent(actor, {
    type: "medvault.files.file.read.v1",
    subject: `file/${file.id}`,
    action: "file:read",
    reason,
    patientIds: [file.patientId],
    fields,
  });
}

/** Reading was allowed, but the bytes were not those that were stored. */
export function damagedEvent(actor: Actor, file: StoredFile): NewEvent {
  return auditEvent(actor, {
    type: "medvault.files.file.read.v1",
    subject: `file/${file.id}`,
    action: "file:read",
    patientIds: [file.patientId],
    fields: ["content"],
    outcome: "failure",
    reason: "content_damaged",
  });
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

export function deletedEvent(actor: Actor, reason: string, file: StoredFile): NewEvent {
  return auditEvent(actor, {
    type: "medvault.files.file.deleted.v1",
    subject: `file/${file.id}`,
    action: "file:delete",
    reason,
    patientIds: [file.patientId],
    details: { rev: file.rev },
  });
}
