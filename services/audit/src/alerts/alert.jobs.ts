import type { Job } from "@medvault/runtime";
import type { Context } from "../context.ts";
import { observeLog, observeOwn } from "./condition.service.ts";

/** Rules look at what came; of all processes one does at a time, by the lease of its cursor. */
export const alertJobs = (context: Context): Job[] => [
  { name: "alert-rules", every: 250, run: ({ signal }) => context.detector.run(signal) },
  { name: "alert-own-states", every: 20_000, run: () => observeOwn(context) },
  { name: "alert-states", every: 60_000, exclusive: true, run: () => observeLog(context) },
  { name: "alert-windows", every: 60_000, exclusive: true, run: () => context.detector.clean() },
];
