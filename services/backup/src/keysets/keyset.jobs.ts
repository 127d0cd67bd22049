import type { Job } from "@medvault/runtime";
import type { Context } from "../context.ts";
import { renewKeysets } from "./keyset.service.ts";

/**
 * Not exclusive: `renewKeysets` takes a lock of its own, which it shares with the operators'
 * command, and a process that makes a backup leaves the renewal to others that are idle.
 */
export const keysetJobs = (context: Context): Job[] => [
  {
    name: "renew-keysets",
    every: 30_000,
    run: ({ signal }) => context.queue.runIfIdle(async () => void (await renewKeysets(context, { signal }))),
  },
];
