import { settingsOrExit } from "@medvault/service-kit";
import { makeBackupNow } from "./backups/making.service.ts";
import { readRestoreConfig } from "./config.ts";
import { openJob } from "./context.ts";
import { runRestores } from "./restores/restore.service.ts";

const END_WITHIN_MS = 5_000;

// One shot: does the restores that were asked for, and ends. The service's supervisor starts it.
const config = settingsOrExit("restore-job", readRestoreConfig);
const { context, close } = await openJob(config, config.MEDVAULT_OWNER_DATABASE_URL, "restore-job");
try {
  const makeBackup = (actor: Parameters<typeof makeBackupNow>[1]) => makeBackupNow(context, actor);
  const ended = await runRestores({ ...context, makeBackup });
  context.logger.info({ count: ended.done, failed: ended.failed }, "restore job done");
  if (ended.failed > 0) process.exitCode = 1;
} finally {
  await close();
  // The next restore waits for this process to end: nothing that is left open may keep it.
  setTimeout(() => process.exit(), END_WITHIN_MS).unref();
}
