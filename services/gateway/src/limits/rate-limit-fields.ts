import type { ServerResponse } from "node:http";
import { RateLimited } from "@medvault/contracts";
import { TooManyPatients } from "./limit.errors.ts";
import type { LimitState } from "./limit.ts";

/**
 * Shows where the limits stand, the narrowest first: RateLimit-Policy and RateLimit, lists of
 * structured fields (draft-ietf-httpapi-ratelimit-headers-10; `q`uota, `w`indow and `t`ime in
 * seconds, `r`emaining).
 */
export function showLimits(res: ServerResponse, counted: readonly LimitState[]): void {
  if (counted.length === 0) return;
  let policy = "";
  let state = "";
  for (let i = counted.length - 1; i >= 0; i--) {
    const { limit, used, resetMs } = counted[i] as LimitState;
    const comma = policy === "" ? "" : ", ";
    policy += `${comma}"${limit.name}";q=${limit.points};w=${limit.windowMs / 1000}`;
    state += `${comma}"${limit.name}";r=${Math.max(0, limit.points - used)};t=${secondsOf(resetMs)}`;
  }
  res.setHeader("RateLimit-Policy", policy);
  res.setHeader("RateLimit", state);
}

/** The refusal of a request that is over a limit, with the time to wait. */
export function overLimit({ limit, resetMs }: LimitState): RateLimited {
  if (limit.member === undefined) return new RateLimited(undefined, secondsOf(resetMs));
  return new TooManyPatients(secondsOf(resetMs));
}

function secondsOf(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}
