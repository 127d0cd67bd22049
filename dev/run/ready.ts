// When a start counts as done, by what the gateway says of the parts behind it.
import { setTimeout as sleep } from "node:timers/promises";
import { Trouble } from "../lib/words.mjs";

const READY_TIMEOUT_MS = 60_000;
/** A start passes through it; what stays so (a parked message, a clock) is for a person to look at. */
const DEGRADED_MS = 10_000;
const ASK_EVERY_MS = 100;

/** What `/readyz` answers; null for no answer. */
interface Ready {
  status?: string;
  checks?: Record<string, string>;
}

/**
 * Waits until all parts are `ok` (then null), or none is worse than `degraded` for so long that it
 * will stay so: then what is. Throws Trouble after a minute.
 */
export async function untilReady(
  ask: () => Promise<Ready | null>,
  logsDir: string,
  degradedMs = DEGRADED_MS,
  timeoutMs = READY_TIMEOUT_MS,
): Promise<string | null> {
  const end = Date.now() + timeoutMs;
  let seen = "no answer";
  let degradedSince: number | null = null;
  while (Date.now() < end) {
    const answer = await ask();
    if (answer?.status === "ok") return null;
    const late = Object.entries(answer?.checks ?? {}).filter(([, state]) => state !== "ok");
    seen = late.map(([name, state]) => `${name} is ${state}`).join(", ") || "no answer";
    const serves = late.length > 0 && late.every(([, state]) => state === "degraded");
    degradedSince = serves ? (degradedSince ?? Date.now()) : null;
    if (degradedSince !== null && Date.now() - degradedSince > degradedMs) return seen;
    await sleep(ASK_EVERY_MS);
  }
  throw new Trouble(`Not ready after ${timeoutMs / 1_000} s (${seen}): see ${logsDir}.`);
}
