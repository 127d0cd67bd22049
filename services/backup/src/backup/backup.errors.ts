import { AppError } from "@medvault/contracts";

/** One at a time: another backup, or a verification, is under way. */
export class BackupRunning extends AppError {
  readonly code = "backup_running";
  readonly kind = "conflict";
  constructor() {
    super("Another backup or verification is running.");
  }
}

/** Only a complete backup can be verified or restored. */
export class BackupNotComplete extends AppError {
  readonly code = "backup_not_complete";
  readonly kind = "conflict";
  constructor() {
    super("This backup is not complete.");
  }
}

/** One at a time: another restore is asked for or under way. */
export class RestoreRunning extends AppError {
  readonly code = "restore_running";
  readonly kind = "conflict";
  constructor() {
    super("Another restore is running.");
  }
}

/** Why a backup is not what was written, or cannot be restored here. Stable: operators and events see these codes. */
export type RefusalReason =
  | "key_missing"
  | "key_refused"
  | "manifest_missing"
  | "manifest_changed"
  | "manifest_damaged"
  | "signature_invalid"
  | "keyset_missing"
  | "keyset_changed"
  | "keyset_damaged"
  | "part_missing"
  | "part_damaged"
  | "rows_differ"
  | "blob_missing"
  | "blob_damaged"
  | "backup_newer_than_code"
  | "migrations_differ";

/** The backup is wrong or damaged; nothing was changed. */
export class BackupRefused extends Error {
  readonly reason: RefusalReason;
  constructor(reason: RefusalReason, cause?: unknown) {
    super(`The backup is refused: ${reason}.`, { cause });
    this.name = "BackupRefused";
    this.reason = reason;
  }
}
