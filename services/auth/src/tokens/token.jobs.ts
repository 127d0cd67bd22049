import type { Job } from "@medvault/runtime";
import type { AuthContext } from "../context.ts";
import { deleteExpired } from "./one-time-token.store.ts";

export const tokenJobs = (ctx: AuthContext): Job[] => [
  { name: "sweep-tokens", every: 60_000, exclusive: true, run: () => deleteExpired(ctx.pool, ctx.now()) },
];
