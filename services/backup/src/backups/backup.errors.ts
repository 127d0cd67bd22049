import { AppError } from "@medvault/contracts";

/** One at a time: another backup, or a verification, is under way. */
export class BackupRunning extends AppError {
  readonly code = "backup_running";
  readonly kind = "conflict";
  constructor() {
    super("Another backup or verification is running. Try again once it has ended.");
  }
}

/** Only a complete backup can be verified or restored. */
export class BackupNotComplete extends AppError {
  readonly code = "backup_not_complete";
  readonly kind = "conflict";
  constructor() {
    super("This backup is not complete. Choose one whose state is complete.");
  }
}
