import type { Job } from "@medvault/runtime";
import type { Context } from "../context.ts";

const EVERY_MS = 5_000;

/**
 * Counts what arrived, and keeps it: in the process that writes, which has its own entries in
 * memory. The others read what it kept when they are asked.
 */
export const arrivalJobs = ({ arrivals, writer }: Context): Job[] => [
  {
    name: "count-arrivals",
    every: EVERY_MS,
    run: async ({ signal }) => {
      const { phase } = writer.state();
      if (phase === "standby" || phase === "stopped") return;
      while (!signal.aborted && !(await arrivals.catchUp(20_000))) await arrivals.save();
      await arrivals.save();
    },
  },
];
