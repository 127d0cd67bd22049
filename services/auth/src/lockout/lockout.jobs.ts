import { type Job, looked, type Metric } from "@medvault/runtime";
import type { AuthContext } from "../context.ts";
import { countLocked, deleteStaleBuckets, deleteUnseenDevices } from "./lockout.store.ts";

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

export const lockoutMetrics = (ctx: AuthContext): Metric[] => [
  {
    name: "auth_lockouts_active",
    help: "Lanes of sign-ins that are locked, counted up to 10,000 (of the whole service).",
    read: looked(() => countLocked(ctx.pool, ctx.now())),
  },
];
