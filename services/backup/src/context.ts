import type { Keyring } from "@medvault/keys";
import type { Appender } from "@medvault/messaging";
import type { Logger } from "@medvault/service-kit";
import type pg from "pg";
import type { WorkQueue } from "./work/queue.ts";

/** What opening, renewing and removing archives takes. */
export interface ArchiveContext {
  readonly pool: pg.Pool;
  readonly keyring: Keyring;
  /** MEDVAULT_BACKUPS_DIR. */
  readonly archiveDir: string;
  readonly logger: Pick<Logger, "info" | "warn" | "error">;
}

/** What the restore job has; its `pool` is that of the role that owns the schemas. */
export interface RestoreContext extends ArchiveContext {
  /** MEDVAULT_FILES_DIR. */
  readonly filesDir: string;
}

/** What the use cases of the service share. */
export interface Context extends RestoreContext {
  /** As `pool`, with time to copy the largest table. */
  readonly copyPool: pg.Pool;
  readonly appender: Pick<Appender, "append">;
  /** MEDVAULT_AUDIT_DIR. */
  readonly auditDir: string;
  /** What goes on after an answer has left. */
  readonly queue: WorkQueue;
  /** Tells the supervisor of this process that the restore job has work. */
  readonly wakeRestoreJob: () => void;
}
