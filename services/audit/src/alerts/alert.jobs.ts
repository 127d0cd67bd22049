import type { Job } from "@medvault/runtime";
import type { Context } from "../context.ts";

/** Rules look at what came; of all processes one does at a time, by the lease of its cursor. */
export const alertJobs = ({ detector }: Context): Job[] => [
  { name: "alert-rules", every: 250, run: ({ signal }) => detector.run(signal) },
  { name: "alert-windows", every: 60_000, exclusive: true, run: () => detector.clean() },
];
