/**
 * The audit service found that its log, or what is kept of it outside Postgres, was changed. One
 * event for each finding: `reason` is a code of INTEGRITY_FAULTS, `details.index` the first bad
 * entry (null where no single entry is to blame). Never what an entry says.
 */
export const INTEGRITY_FAILED = "medvault.audit.integrity.failed.v1";

/** What was done, as far as it can be told, in words for those who read the alert. */
export const INTEGRITY_FAULTS = {
  entry_deleted: "an entry was deleted from the log",
  entry_inserted: "an entry was put into the log that no writer appended",
  body_changed: "the sealed body of an entry was changed",
  entries_moved: "entries changed places: one stands where another belongs",
  leaf_changed: "the leaf of an entry is not the one that was signed",
  column_changed: "a column that queries use is not what the entry itself says",
  log_truncated: "the end of the log was cut off, or the database was set back",
  outside_body_changed: "a body kept outside Postgres is missing or is another one",
  outside_tile_changed: "a tile kept outside Postgres is missing or was changed",
  upper_tile_changed: "a tile of an upper level outside Postgres is missing or was changed",
  checkpoint_missing: "the signed checkpoint outside Postgres is missing",
  checkpoint_forged: "the checkpoint outside Postgres is not signed by this log's key",
  checkpoint_older: "the checkpoint outside Postgres was set back to an earlier one",
  retirement_forged: "the note of what was retired is not signed by this log's key",
  root_not_signed: "the log is not the one that was signed: its root is another",
  history_changed: "the history of signed checkpoints was changed",
  sequences_changed: "the table of numbers that arrived is not what the entries say",
} as const;
export type IntegrityFault = keyof typeof INTEGRITY_FAULTS;
