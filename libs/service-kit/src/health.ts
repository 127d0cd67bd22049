import { setTimeout as delay } from "node:timers/promises";
import { isStorageFull } from "@medvault/contracts";
import type { Express, RequestHandler, Router } from "express";
import { lifecycleOf } from "./lifecycle.ts";

export type CheckState = "ok" | "degraded" | "down";
/** Longer than any check takes that goes well; a part that hangs is told from those that work. */
const CHECK_MS = 1_000;

/**
 * What a check of a part finds: `ok` unless it says otherwise; `degraded` when it is full, and so
 * still reads; `down` when it fails or hangs.
 */
export async function stateOf(check: Promise<unknown>): Promise<CheckState> {
  const late = delay(CHECK_MS, "down", { ref: false });
  const found = await Promise.race([
    check.catch((error) => (isStorageFull(error) ? "degraded" : "down")),
    late,
  ]);
  return found === "degraded" || found === "down" ? found : "ok";
}

export type Readiness = () => Promise<Record<string, CheckState>>;

const CHECK_TIMEOUT_MS = 2_000;

/** GET /healthz (the process runs) and GET /readyz (it serves: 200; starting or draining: 503). */
export function mountHealth(router: Router, app: Express, readiness: Readiness): void {
  const checks = shared(readiness);
  const noStore: RequestHandler = (_req, res, next) => {
    res.setHeader("Cache-Control", "no-store");
    res.setHeader("Date", new Date().toUTCString()); // by which the gateway compares the clocks
    next();
  };
  router.get("/healthz", noStore, (_req, res) => {
    res.json({ status: "ok" });
  });
  router.get("/readyz", noStore, async (_req, res) => {
    const found = await checks();
    const ok = found !== null && Object.values(found).every((state) => state === "ok");
    const draining = lifecycleOf(app).state === "draining";
    if (draining) res.setHeader("Retry-After", "2");
    res.status(draining ? 503 : 200).json({
      status: draining ? "draining" : ok ? "ok" : "degraded",
      checks: found ?? {},
    });
  });
}

/** One run of the checks at a time, shared by all askers; null if it failed or took over 2 s. */
export function shared(readiness: Readiness): () => Promise<Record<string, CheckState> | null> {
  let running: Promise<Record<string, CheckState> | null> | null = null;
  return () => {
    running ??= Promise.race([readiness(), delay(CHECK_TIMEOUT_MS, null, { ref: false })])
      .catch(() => null)
      .finally(() => {
        running = null;
      });
    return running;
  };
}
