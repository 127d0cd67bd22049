import { settingsOrExit } from "@medvault/service-kit";
import { makeScheduled, verifyNewest } from "./backups/scheduled.service.ts";
import { readBackupJobConfig } from "./config.ts";
import { openJob } from "./context.ts";

// One shot, as a schedule starts it: makes a backup, or with `verify` checks the newest that is
// whole. It is the service's role and key, and nobody's account: it can do nothing else.
const WORK = { make: makeScheduled, verify: verifyNewest };
const config = settingsOrExit("backup-job", readBackupJobConfig);
const { context, close } = await openJob(config, config.DATABASE_URL, "backup-job");
process.once("SIGTERM", () => void context.queue.stop()); // what is under way ends as interrupted
try {
  const name = process.argv[2] ?? "make";
  if (name !== "make" && name !== "verify") throw new RangeError(`say make or verify, not ${name}`);
  const { id, error } = await WORK[name](context);
  if (error !== null) process.exitCode = 1;
  context.logger[error === null ? "info" : "error"](
    { backupId: id, reason: error },
    `backup job done: ${name}`,
  );
} catch (err) {
  context.logger.error({ err }, "backup job failed");
  process.exitCode = 1;
} finally {
  await close();
}
