import {
  type Actor,
  auditEvent,
  type BackupState,
  type BackupView,
  errorEvent,
  type NewEvent,
} from "@medvault/contracts";

/** A backup as the service knows it. */
export interface Backup {
  id: string;
  state: BackupState | "deleting";
  createdAt: Date;
  finishedAt: Date | null;
  error: string | null;
  sizeBytes: number | null;
  manifestSha256: string | null;
  tables: number | null;
  rows: number | null;
  files: number | null;
  filesMissing: number | null;
  auditCheckpoint: number | null;
  verifyState: "running" | "passed" | "failed" | null;
  verifyError: string | null;
  verifiedAt: Date | null;
}

/** A wish to put a backup back, and what came of it. */
export interface Restore {
  id: string;
  backupId: string;
  state: "requested" | "running" | "complete" | "failed";
  requestedAt: Date;
  finishedAt: Date | null;
  error: string | null;
}

/** What a finished backup holds. */
export interface Contents {
  manifestSha256: string;
  sizeBytes: number;
  tables: number;
  rows: number;
  files: number;
  filesMissing: number;
  auditCheckpoint: number | null;
}

export function viewOf(backup: Backup, restore: Restore | null): BackupView {
  return {
    id: backup.id,
    state: backup.state === "deleting" ? "failed" : backup.state,
    createdAt: backup.createdAt.toISOString(),
    finishedAt: backup.finishedAt?.toISOString() ?? null,
    sizeBytes: backup.sizeBytes,
    sha256: backup.manifestSha256,
    contents:
      backup.state === "complete"
        ? {
            tables: backup.tables ?? 0,
            rows: backup.rows ?? 0,
            files: backup.files ?? 0,
            filesMissing: backup.filesMissing ?? 0,
            auditCheckpoint: backup.auditCheckpoint,
          }
        : null,
    error: backup.error,
    verification: backup.verifyState ? { state: backup.verifyState, error: backup.verifyError } : null,
    verifiedAt: backup.verifiedAt?.toISOString() ?? null,
    restore: restore && {
      id: restore.id,
      state: restore.state,
      requestedAt: restore.requestedAt.toISOString(),
      finishedAt: restore.finishedAt?.toISOString() ?? null,
      error: restore.error,
    },
  };
}

type Verb =
  | "requested"
  | "created"
  | "read"
  | "listed"
  | "verified"
  | "restore_requested"
  | "restored"
  | "keyset_renewed"
  | "deleted";

const ACTIONS: Readonly<Record<Verb, string>> = {
  requested: "backup:write",
  created: "backup:write",
  read: "backup:read",
  listed: "backup:read",
  verified: "backup:write",
  restore_requested: "backup:restore",
  restored: "backup:restore",
  keyset_renewed: "backup:write",
  deleted: "backup:delete",
};

export interface Happened {
  /** null for a list. */
  backupId: string | null;
  /** A stable code: why it failed or was refused. */
  reason?: string;
  outcome?: "success" | "failure";
  details?: Record<string, string | number | boolean | null>;
}

/** `medvault.backup.backup.<verb>.v1`. The actor is null when the service itself found out, at a start. */
export function backupEvent(actor: Actor | null, verb: Verb, happened: Happened): NewEvent {
  return auditEvent(actor, {
    type: `medvault.backup.backup.${verb}.v1`,
    subject: happened.backupId ? `backup/${happened.backupId}` : "backup",
    action: ACTIONS[verb],
    ...(happened.outcome && { outcome: happened.outcome }),
    ...(happened.reason && { reason: happened.reason }),
    ...(happened.details && { details: happened.details }),
  });
}

/** Who was not allowed, or what was not there. */
export function refusedEvent(
  actor: Actor | null,
  backupId: string | null,
  error: { code: string; kind: string },
): NewEvent {
  return errorEvent(actor, error, {
    noun: "medvault.backup.backup",
    subject: backupId ? `backup/${backupId}` : "backup",
    action: "backup:write",
  });
}
