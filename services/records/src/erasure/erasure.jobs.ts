import type { Job } from "@medvault/runtime";
import type { Context } from "../context.ts";
import { askAgain } from "./progress.service.ts";

const EVERY_MS = 60_000;
/** A service that is away finds one question for each of these when it is back. */
const ASK_AGAIN_AFTER_MS = 10 * 60_000;

export const erasureJobs = (context: Context): Job[] => [
  {
    name: "erasure-progress",
    every: EVERY_MS,
    exclusive: true,
    run: () => askAgain(context, new Date(Date.now() - ASK_AGAIN_AFTER_MS)),
  },
];
