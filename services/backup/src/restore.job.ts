import { runOnce } from "@medvault/runtime";
import { makeBackupNow } from "./backups/making.service.ts";
import { RestoreConfig } from "./config.ts";
import { contents, openJob } from "./context.ts";
import { runRestores } from "./restores/restore.service.ts";

const END_WITHIN_MS = 5_000;

// One shot: does the restores that were asked for, and ends. The service's supervisor starts it.
await runOnce({
  name: "restore-job",
  service: "backup",
  config: RestoreConfig,
  contents,
  async work(parts) {
    const { context, close } = await openJob(parts, parts.config.MEDVAULT_OWNER_DATABASE_URL, "restore-job");
    try {
      const makeBackup = (actor: Parameters<typeof makeBackupNow>[1]) => makeBackupNow(context, actor);
      const ended = await runRestores({ ...context, makeBackup });
      context.logger.info({ count: ended.done, failed: ended.failed }, "restore job done");
      return ended.failed === 0;
    } finally {
      await close();
    }
  },
});
// The next restore waits for this process to end: nothing that is left open may keep it.
setTimeout(() => process.exit(), END_WITHIN_MS).unref();
