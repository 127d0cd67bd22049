import { mkdir } from "node:fs/promises";
import type { Actor } from "@medvault/contracts";
import { type Keyring, openKeyring } from "@medvault/keys";
import type { Appender } from "@medvault/messaging";
import { createPool, withoutDeadline } from "@medvault/postgres";
import type { Parts, ProcessParts } from "@medvault/runtime";
import { type Contents, type Logger, readableDirectory, writableDirectory } from "@medvault/service-kit";
import type pg from "pg";
import type { BackupConfig, JobConfig } from "./config.ts";
import { WorkQueue } from "./work/queue.ts";

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
  /** Makes a backup now, and gives its id; null when it could not be made. */
  readonly makeBackup: (actor: Actor) => Promise<string | null>;
}

/** What making a backup takes. */
export interface MakingContext extends ArchiveContext {
  /** As `pool`, with time to copy the largest table. */
  readonly copyPool: pg.Pool;
  /** MEDVAULT_FILES_DIR. */
  readonly filesDir: string;
  /** MEDVAULT_AUDIT_DIR. */
  readonly auditDir: string;
  /** What goes on after an answer has left. */
  readonly queue: WorkQueue;
}

/** What the use cases of the service share. */
export interface Context extends MakingContext {
  readonly appender: Pick<Appender, "append">;
  /** Tells the supervisor of this process that the restore job has work. */
  readonly wakeRestoreJob: () => void;
}

/**
 * The largest table may take hours to copy; the 10 s of an ordinary statement are not meant for
 * that.
 */
const COPY_TIMEOUT_MS = 6 * 60 * 60 * 1000;

/** Throws when the directory of backups cannot be made. */
export async function openContext(parts: Parts<BackupConfig>): Promise<Context> {
  const { config, pool, keyring, appender, logger, tls, onStop } = parts;
  await mkdir(config.MEDVAULT_BACKUPS_DIR, { recursive: true, mode: 0o700 });
  const copyPool = createPool({
    connectionString: config.DATABASE_URL,
    tls: tls.outgoing,
    applicationName: "backup",
    schema: "backup",
    max: 4,
    statementTimeoutMs: COPY_TIMEOUT_MS,
  });
  const queue = new WorkQueue(logger, withoutDeadline);
  onStop(() => copyPool.end());
  onStop(() => queue.stop());
  return {
    ...{ pool, copyPool, keyring, appender, logger, queue },
    archiveDir: config.MEDVAULT_BACKUPS_DIR,
    filesDir: config.MEDVAULT_FILES_DIR,
    auditDir: config.MEDVAULT_AUDIT_DIR,
    wakeRestoreJob: () => process.send?.({ job: "restore" }),
  };
}

/** Looks into what the settings of the service and of its jobs name. */
export const contents: Contents = {
  MEDVAULT_BACKUPS_DIR: writableDirectory,
  MEDVAULT_FILES_DIR: readableDirectory,
  MEDVAULT_AUDIT_DIR: readableDirectory,
};

/** Of a job, which is one process and one piece of work. */
const JOB_CONNECTIONS = 8;

/** What a job has; `close` lets go of it. */
export async function openJob(
  { config, logger, tls }: ProcessParts<JobConfig>,
  connectionString: string,
  name: string,
): Promise<{ context: MakingContext; close: () => Promise<void> }> {
  const pool = createPool({
    ...{ connectionString, tls: tls.outgoing, applicationName: name, schema: "backup" },
    ...{ max: JOB_CONNECTIONS, statementTimeoutMs: COPY_TIMEOUT_MS },
  });
  const close = () => pool.end();
  try {
    const keyring = await openKeyring(pool, {
      service: "backup",
      keysFile: config.MEDVAULT_KEYS_FILE,
      keysEnv: config.MEDVAULT_KEYS,
    });
    return {
      context: {
        ...{ pool, copyPool: pool, keyring, logger, queue: new WorkQueue(logger) },
        archiveDir: config.MEDVAULT_BACKUPS_DIR,
        filesDir: config.MEDVAULT_FILES_DIR,
        auditDir: config.MEDVAULT_AUDIT_DIR,
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
