import type { Job } from "@medvault/runtime";
import type { Context } from "../context.ts";
import { ROUND_MS } from "./scrubber.service.ts";

/** In the process that holds the writer's lease, hence in one; also while it refuses to write. */
export const scrubberJobs = ({ scrubber, writer }: Context): Job[] => [
  {
    name: "scrub-log",
    every: ROUND_MS,
    run: async ({ signal }) => {
      const { phase } = writer.state();
      if (phase !== "standby" && phase !== "stopped") await scrubber.round(signal);
    },
  },
];
