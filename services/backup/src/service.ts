import { probeDirectory } from "@medvault/keys";
import { defineService } from "@medvault/runtime";
import { backupJobs, backupMetrics } from "./backups/backup.jobs.ts";
import { backupRoutes } from "./backups/backup.routes.ts";
import { BackupConfig } from "./config.ts";
import { contents, openContext } from "./context.ts";
import { erasureConsumers } from "./erasures/erasure.consumers.ts";
import { keysetJobs } from "./keysets/keyset.jobs.ts";
import { restoreJobs } from "./restores/restore.jobs.ts";

export const service = defineService({
  name: "backup",
  config: BackupConfig,
  contents,
  open: openContext,
  routes: backupRoutes,
  consumers: erasureConsumers,
  jobs: (context) => [...backupJobs(context), ...restoreJobs(context), ...keysetJobs(context)],
  metrics: backupMetrics,
  checks: ({ archiveDir }) => ({ store: () => probeDirectory(archiveDir) }),
  refusalNoun: "backup",
});
