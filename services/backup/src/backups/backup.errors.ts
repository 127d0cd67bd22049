import { refusal } from "@medvault/contracts";

/** One at a time: another backup, or a verification, is under way. */
export class BackupRunning extends refusal(
  "backup_running",
  "Another backup or verification is running. Try again once it has ended.",
) {}

/** Only a complete backup can be verified or restored. */
export class BackupNotComplete extends refusal(
  "backup_not_complete",
  "This backup is not complete. Choose one whose state is complete.",
) {}

/** Nothing of this backup is under way. */
export class BackupNotRunning extends refusal(
  "backup_not_running",
  "This backup is neither being made nor verified.",
) {}
