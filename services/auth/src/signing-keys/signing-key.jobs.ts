import type { Job } from "@medvault/runtime";
import type { AuthContext } from "../context.ts";
import { rotateDaily } from "./signing-key.service.ts";

/** In each process: it learns of new keys itself. */
export const signingKeyJobs = (ctx: AuthContext): Job[] => [
  { name: "rotate-signing-keys", every: 60_000, run: () => rotateDaily(ctx) },
];
