import { openKeyring } from "@medvault/keys";
import { createPool } from "@medvault/postgres";
import { createLogger, openTls, settingsOrExit } from "@medvault/service-kit";
import { makeBackupNow } from "./backups/making.service.ts";
import { readRestoreConfig } from "./config.ts";
import { runRestores } from "./restores/restore.service.ts";
import { WorkQueue } from "./work/queue.ts";

/** Loading and indexing a large table takes its time; the swap bounds what users wait for. */
const STATEMENT_TIMEOUT_MS = 6 * 60 * 60 * 1000;

const END_WITHIN_MS = 5_000;

// One shot: does the restores that were asked for, and ends. The service's supervisor starts it.
const config = settingsOrExit("restore-job", readRestoreConfig);
// Standard error: the supervisor keeps that, and shows its last lines when the job fails.
const logger = createLogger({ service: "restore-job", level: config.LOG_LEVEL, destination: 2 });
const tls = await openTls(config, logger);
const pool = createPool({
  connectionString: config.MEDVAULT_OWNER_DATABASE_URL,
  tls: tls.outgoing,
  applicationName: "restore-job",
  schema: "backup",
  max: 8,
  statementTimeoutMs: STATEMENT_TIMEOUT_MS,
});
try {
  const keyring = await openKeyring(pool, {
    service: "backup",
    keysFile: config.MEDVAULT_KEYS_FILE,
    keysEnv: config.MEDVAULT_KEYS,
  });
  const making = {
    ...{ pool, copyPool: pool, keyring, logger, queue: new WorkQueue(logger) },
    archiveDir: config.MEDVAULT_BACKUPS_DIR,
    filesDir: config.MEDVAULT_FILES_DIR,
    auditDir: config.MEDVAULT_AUDIT_DIR,
  };
  const ended = await runRestores({ ...making, makeBackup: (actor) => makeBackupNow(making, actor) });
  logger.info({ count: ended.done, failed: ended.failed }, "restore job done");
  if (ended.failed > 0) process.exitCode = 1;
} finally {
  await pool.end();
  tls.close();
  // The next restore waits for this process to end: nothing that is left open may keep it.
  setTimeout(() => process.exit(), END_WITHIN_MS).unref();
}
