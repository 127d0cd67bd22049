import { runOnce } from "@medvault/runtime";
import { EXIT } from "@medvault/service-kit";
import { makeScheduled, verifyNewest } from "./backups/scheduled.service.ts";
import { BackupJobConfig } from "./config.ts";
import { contents, openJob } from "./context.ts";

// One shot, as a schedule starts it: makes a backup, or with `verify` checks the newest that is
// whole. It is the service's role and key, and nobody's account: it can do nothing else.
const name = process.argv[2] ?? "make";
if (name !== "make" && name !== "verify") {
  process.stderr.write(`backup-job: say make or verify, not ${name}.\n`);
  process.exit(EXIT.usage);
}
const WORK = { make: makeScheduled, verify: verifyNewest };
await runOnce({
  name: "backup-job",
  service: "backup",
  config: BackupJobConfig,
  contents,
  endsItself: true,
  async work(parts) {
    const { context, close } = await openJob(parts, parts.config.DATABASE_URL, "backup-job");
    process.once("SIGTERM", () => void context.queue.stop()); // what is under way ends as interrupted
    try {
      const { id, error } = await WORK[name](context);
      context.logger[error === null ? "info" : "error"](
        { backupId: id, reason: error },
        `backup job done: ${name}`,
      );
      return error === null;
    } finally {
      await close();
    }
  },
});
