import { refusal } from "@medvault/contracts";

/** One at a time: another restore is asked for or under way. */
export class RestoreRunning extends refusal(
  "restore_running",
  "A restore is requested or running. Try again once it has ended.",
) {}

/** Why a restore stopped although its backup is whole. Events hold these codes. */
export type FailureReason =
  | "backup_gone"
  | "table_unknown"
  | "tables_in_a_circle"
  | "rows_differ"
  | "live_busy"
  | "fence_lost"
  | "safety_backup_failed"
  | "outbox_not_drained"
  | "erasure_ledger_short"
  | "erasure_ledger_damaged"
  | "interrupted";

/** The restore stopped before anything live was changed. */
export class RestoreFailed extends Error {
  readonly reason: FailureReason;
  constructor(reason: FailureReason, cause?: unknown) {
    super(`The restore failed: ${reason}.`, { cause });
    this.name = "RestoreFailed";
    this.reason = reason;
  }
}
