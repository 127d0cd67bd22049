import { PageQuery } from "../http.ts";
import { defineRoutes, REPLAY } from "../route.ts";
import { BackupPage, BackupView, NewBackup, RestoreRequest } from "./schemas.ts";

const NO_CHOICE = { request: NewBackup, requestOptional: true } as const;

export const backupApi = defineRoutes({
  create: {
    method: "POST",
    path: "/v1/backups",
    permission: "backup:write",
    summary: "Start a backup of everything",
    ...NO_CHOICE,
    status: 202,
    response: BackupView,
    errors: ["backup_running", ...REPLAY],
  },
  list: {
    method: "GET",
    path: "/v1/backups",
    permission: "backup:read",
    summary: "Backups, newest first",
    query: PageQuery,
    response: BackupPage,
  },
  read: {
    method: "GET",
    path: "/v1/backups/{id}",
    permission: "backup:read",
    summary: "One backup",
    response: BackupView,
  },
  verify: {
    method: "POST",
    path: "/v1/backups/{id}/verify",
    permission: "backup:write",
    summary: "Check signature, hashes, decryption and counts",
    ...NO_CHOICE,
    status: 202,
    response: BackupView,
    errors: ["backup_not_complete", "backup_running", ...REPLAY],
  },
  restore: {
    method: "POST",
    path: "/v1/backups/{id}/restore",
    permission: "backup:restore",
    stepUp: true,
    summary: "Replace records and files by this backup's, in place; what was there is kept in a backup",
    request: RestoreRequest,
    requestOptional: true,
    status: 202,
    response: BackupView,
    errors: ["backup_not_complete", "backup_running", "restore_running", ...REPLAY],
  },
  preview: {
    method: "POST",
    path: "/v1/backups/{id}/restore-preview",
    permission: "backup:restore",
    summary: "Try a restore beside the live data and count what it would undo; nothing is changed",
    ...NO_CHOICE,
    status: 202,
    response: BackupView,
    errors: ["backup_not_complete", "backup_running", "restore_running", ...REPLAY],
  },
  remove: {
    method: "DELETE",
    path: "/v1/backups/{id}",
    permission: "backup:delete",
    stepUp: true,
    summary: "Delete a backup",
    errors: ["backup_running", "restore_running"],
  },
});
