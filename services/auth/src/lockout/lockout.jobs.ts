import type { Job } from "@medvault/runtime";
import type { AuthContext } from "../context.ts";
import { deleteStaleBuckets, deleteUnseenDevices } from "./lockout.store.ts";

export const lockoutJobs = (ctx: AuthContext): Job[] => [
  {
    name: "sweep-lockouts",
    every: 60_000,
    exclusive: true,
    async run() {
      const now = ctx.now();
      await deleteStaleBuckets(ctx.pool, now);
      await deleteUnseenDevices(ctx.pool, new Date(now.getTime() - ctx.settings.lockout.knownMs));
    },
  },
];
