import { InvalidInput } from "@medvault/contracts";
import type { Router } from "express";
import { z } from "zod";
import { jsonBody } from "./body.ts";
import type { Logger } from "./logger.ts";
import { parse } from "./validation.ts";

const Wanted = z.strictObject({
  level: z.enum(["fatal", "error", "warn", "info", "debug", "trace"]),
  minutes: z.number().int().min(1).max(60).default(10),
});
const MINUTE_MS = 60_000;

/**
 * GET and PUT /log-level, for operators: a process says more for a while, and then as much as its
 * setting says again. Never less: nobody who reaches the port may silence it.
 */
export function mountLogLevel(admin: Router, logger: Logger, minuteMs = MINUTE_MS): void {
  const configured = logger.level;
  const rankOf = (level: string) => logger.levels.values[level] ?? Number.POSITIVE_INFINITY; // silent
  let timer: NodeJS.Timeout | undefined;
  let until: Date | null = null;
  const shown = () => ({ level: logger.level, configured, until });
  const settle = () => {
    logger.level = configured;
    until = null;
  };
  admin.get("/log-level", (_req, res) => void res.json(shown()));
  admin.put("/log-level", jsonBody(), (req, res) => {
    const { level, minutes } = parse(Wanted, req.body);
    if (rankOf(level) > rankOf(configured))
      throw new InvalidInput(`LOG_LEVEL is ${configured}: here it can only be made to say more.`);
    clearTimeout(timer);
    const forMs = minutes * minuteMs;
    logger.level = level;
    until = new Date(Date.now() + forMs);
    timer = setTimeout(settle, forMs).unref();
    logger.warn({ state: level, durationMs: forMs }, "the log level was changed for a while");
    res.json(shown());
  });
}
