import { createKeyring } from "@medvault/keys";
import { createPool } from "@medvault/postgres";
import { createLogger, openTls } from "@medvault/service-kit";
import { Archive } from "./backup/archive.ts";
import { readRestoreConfig } from "./config.ts";
import { runRestores } from "./restore/restore.service.ts";

/** Loading and indexing a large table takes its time; the waits that users feel are bounded in restore/swap.ts. */
const STATEMENT_TIMEOUT_MS = 6 * 60 * 60 * 1000;

// One shot: does the restores that were asked for, and ends. Started by whoever supervises the backup service.
const config = readRestoreConfig();
// Standard error: its supervisor keeps that, and shows its last words when the job fails.
const logger = createLogger({ service: "restore-job", level: config.LOG_LEVEL, destination: process.stderr });
const tls = await openTls(config, logger);
const pool = createPool({
  connectionString: config.MEDVAULT_OWNER_DATABASE_URL,
  tls: tls.outgoing,
  applicationName: "restore-job",
  schema: "backup",
  max: 3,
  statementTimeoutMs: STATEMENT_TIMEOUT_MS,
});
try {
  const keyring = await createKeyring({
    service: "backup",
    keysFile: config.MEDVAULT_KEYS_FILE,
    keysEnv: config.MEDVAULT_KEYS,
  });
  const archive = new Archive(config.MEDVAULT_BACKUPS_DIR);
  const ended = await runRestores({ pool, keyring, archive, filesDir: config.MEDVAULT_FILES_DIR, logger });
  logger.info({ count: ended.done, failed: ended.failed }, "restore job done");
  if (ended.failed > 0) process.exitCode = 1;
} finally {
  await pool.end();
  tls.close();
}
