import { z } from "zod";
import { PageQuery, page } from "./http.ts";
import { Id } from "./ids.ts";
import type { RouteDoc } from "./openapi.ts";

/** A backup takes no parameters: there is one kind, and it holds everything. */
export const NewBackup = z.strictObject({});

export const BackupState = z.enum(["running", "complete", "failed"]);
export type BackupState = z.infer<typeof BackupState>;

/** Counts of what a backup holds; `auditCheckpoint` is the tree size of the copied audit log, null without one. */
export const BackupContents = z.object({
  tables: z.int().nonnegative(),
  rows: z.int().nonnegative(),
  files: z.int().nonnegative(),
  /** Files of that moment whose content was gone or damaged already. */
  filesMissing: z.int().nonnegative(),
  auditCheckpoint: z.int().nonnegative().nullable(),
});
export type BackupContents = z.infer<typeof BackupContents>;

export const RestoreView = z.object({
  id: Id,
  state: z.enum(["requested", "running", "complete", "failed"]),
  requestedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime().nullable(),
  error: z.string().nullable(),
});
export type RestoreView = z.infer<typeof RestoreView>;

/** `sha256` is that of the signed manifest, which names every part's; `error` is a stable code. */
export const BackupView = z.object({
  id: Id,
  state: BackupState,
  createdAt: z.iso.datetime(),
  finishedAt: z.iso.datetime().nullable(),
  sizeBytes: z.int().nonnegative().nullable(),
  sha256: z.string().nullable(),
  contents: BackupContents.nullable(),
  error: z.string().nullable(),
  verification: z
    .object({ state: z.enum(["running", "passed", "failed"]), error: z.string().nullable() })
    .nullable(),
  verifiedAt: z.iso.datetime().nullable(),
  restore: RestoreView.nullable(),
});
export type BackupView = z.infer<typeof BackupView>;

export const BackupPage = page(BackupView);

const NO_CHOICE = { request: NewBackup, requestOptional: true };
const REPLAY = ["idempotency_key_reused", "request_in_progress"];

export const backupRoutes: RouteDoc[] = [
  {
    method: "POST",
    path: "/v1/backups",
    summary: "Start a backup of everything",
    permission: "backup:write",
    ...NO_CHOICE,
    response: BackupView,
    status: 202,
    errors: ["backup_running", ...REPLAY],
  },
  {
    method: "GET",
    path: "/v1/backups",
    summary: "Backups, newest first",
    permission: "backup:read",
    query: PageQuery,
    response: BackupPage,
    status: 200,
  },
  {
    method: "GET",
    path: "/v1/backups/{id}",
    summary: "One backup",
    permission: "backup:read",
    response: BackupView,
    status: 200,
    errors: ["not_found"],
  },
  {
    method: "POST",
    path: "/v1/backups/{id}/verify",
    summary: "Check signature, hashes, decryption and counts",
    permission: "backup:write",
    ...NO_CHOICE,
    response: BackupView,
    status: 202,
    errors: ["not_found", "backup_not_complete", "backup_running", ...REPLAY],
  },
  {
    method: "POST",
    path: "/v1/backups/{id}/restore",
    summary: "Replace records and files by this backup's, in place",
    permission: "backup:restore",
    ...NO_CHOICE,
    response: BackupView,
    status: 202,
    errors: ["not_found", "step_up_required", "backup_not_complete", "restore_running", ...REPLAY],
  },
  {
    method: "DELETE",
    path: "/v1/backups/{id}",
    summary: "Delete a backup",
    permission: "backup:delete",
    response: null,
    status: 204,
    errors: ["not_found", "step_up_required", "backup_running", "restore_running"],
  },
];
