/** Why a backup is not what was written, or cannot be restored here. Events hold these codes. */
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
