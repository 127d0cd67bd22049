import type { Job } from "@medvault/runtime";
import type { Context } from "../context.ts";
import { failGoneRestores } from "./restore.service.ts";
import { hasRequestedRestore } from "./restore.store.ts";

export const restoreJobs = ({ pool, wakeRestoreJob }: Context): Job[] => [
  {
    name: "recover-restores",
    every: 30_000,
    async run() {
      await failGoneRestores(pool);
      // The supervisor did not hear of it, or did not live to start the job.
      if (await hasRequestedRestore(pool)) wakeRestoreJob();
    },
  },
];
