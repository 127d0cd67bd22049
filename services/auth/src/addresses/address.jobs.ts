import type { Job } from "@medvault/runtime";
import type { AuthContext } from "../context.ts";
import { settleAddresses } from "./address.service.ts";

export const addressJobs = (ctx: AuthContext): Job[] => [
  { name: "settle-addresses", every: 60_000, exclusive: true, run: () => settleAddresses(ctx) },
];
