import { type BackupStage, type BackupState, type BackupView, isStorageFull } from "@medvault/contracts";
import { BackupRefused } from "../archive/archive.errors.ts";
import type { Manifest } from "../archive/manifest.ts";
import type { Latest } from "../restores/restore.store.ts";
import type { Restore } from "../restores/restore.ts";

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
  scheduled: boolean;
  stage: BackupStage | null;
  percent: number | null;
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

/** A backup and what came of its restores, as the API shows them. */
export function viewOf(backup: Backup, latest: Latest = {}): BackupView {
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
    scheduled: backup.scheduled,
    stage: backup.stage,
    percent: backup.percent,
    verification: backup.verifyState ? { state: backup.verifyState, error: backup.verifyError } : null,
    verifiedAt: backup.verifiedAt?.toISOString() ?? null,
    restore: restoreView(latest.restore),
    preview: restoreView(latest.preview),
  };
}

function restoreView(restore: Restore | undefined): BackupView["restore"] {
  if (!restore) return null;
  const { id, state, error, safetyBackupId, changes } = restore;
  return {
    ...{ id, state, error, safetyBackupId, changes },
    requestedAt: restore.requestedAt.toISOString(),
    finishedAt: restore.finishedAt?.toISOString() ?? null,
  };
}

/** Counts of a finished backup, `files` those whose blobs are in it. */
export function contentsOf(
  manifest: Manifest,
  manifestSha256: string,
  files: number,
  sizeBytes: number,
): Contents {
  const tables = manifest.parts.filter((part) => part.kind === "table");
  return {
    manifestSha256,
    sizeBytes,
    tables: tables.length,
    rows: tables.reduce((sum, part) => sum + part.rows, 0),
    files,
    filesMissing: manifest.filesMissing,
    auditCheckpoint: manifest.auditCheckpoint,
  };
}

/** The code of what went wrong; whatever else is known of it is in the log alone. */
export function reasonOf(error: unknown): string {
  if (error instanceof BackupRefused) return error.reason;
  if (isStorageFull(error)) return "disk_full";
  const { code } = error as { code?: unknown };
  return code === "unavailable" ? "database_unavailable" : "unexpected";
}
