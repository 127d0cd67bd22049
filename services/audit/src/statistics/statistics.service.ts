import { type Actor, type AuditStats, type AuditStatsQuery, InvalidInput } from "@medvault/contracts";
import type { z } from "zod";
import type { Context } from "../context.ts";
import { countEvents } from "../events/event.service.ts";
import { requireWholeLog } from "../events/event.ts";
import { readingEvent } from "../events/reading.events.ts";
import { countAlerts, countByHour, type Days, reachOfStaff, topTallies } from "./statistics.store.ts";

type Query = z.infer<typeof AuditStatsQuery>;
type By = NonNullable<Query["by"]>;

const MAX_GROUPS = 100;
const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 30;
/** What one answer adds up has a limit: there are more patients than types. */
const MAX_DAYS: Readonly<Record<By, number>> = {
  ...{ type: 366, outcome: 366, hour: 366, alert: 366 },
  ...{ actor: 92, patient: 31, reach: 31 },
};

/** Counts by time, or `by` what is asked for. @throws Forbidden, InvalidInput */
export async function readStatistics(context: Context, actor: Actor, query: Query): Promise<AuditStats> {
  const { by, bucket, from, to, ...filter } = query;
  if (by === undefined) return await countEvents(context, actor, query);
  requireWholeLog(actor);
  const other = Object.entries(filter).find(([, value]) => value !== undefined)?.[0];
  if (other) {
    const message = "is not asked for together with `by`, which takes `from` and `to` alone";
    throw new InvalidInput("The filter does not fit.", [{ path: other, message }]);
  }
  const days = daysOf(from, to, context.now(), MAX_DAYS[by]);
  const found = await countBy(context, by, days);
  const details = { bucket: by };
  await context.appender.append(readingEvent(actor, "counted", { filter: { from, to }, details }));
  const [first, end] = [days.from.toISOString(), days.to.toISOString()];
  return { bucket, items: [], by, from: first, to: end, ...found };
}

async function countBy({ pool }: Context, by: By, days: Days): Promise<Pick<AuditStats, "groups" | "reach">> {
  if (by === "hour") return { groups: await countByHour(pool, days) };
  if (by === "alert") return { groups: await countAlerts(pool, days, MAX_GROUPS) };
  if (by === "reach") {
    const { reach, above } = await reachOfStaff(pool, days, MAX_GROUPS);
    return { reach, groups: above.map((one) => ({ ...one, success: null, denied: null, failure: null })) };
  }
  if (by !== "outcome") return { groups: await topTallies(pool, by, days, MAX_GROUPS) };
  const hours = await countByHour(pool, days);
  const sum = (outcome: "success" | "denied" | "failure") =>
    hours.reduce((total, hour) => total + (hour[outcome] ?? 0), 0);
  const none = { success: null, denied: null, failure: null };
  const outcomes = ["success", "denied", "failure"] as const;
  return { groups: outcomes.map((key) => ({ ...none, key, total: sum(key), [key]: sum(key) })) };
}

/** The days (UTC) that a time is in, and all between them. @throws InvalidInput */
function daysOf(from: string | undefined, to: string | undefined, now: Date, most: number): Days {
  const floor = (ms: number) => Math.floor(ms / DAY_MS) * DAY_MS;
  const end = to === undefined ? floor(now.getTime()) + DAY_MS : floor(Date.parse(to) + DAY_MS - 1);
  const start = from === undefined ? end - Math.min(most, DEFAULT_DAYS) * DAY_MS : floor(Date.parse(from));
  if (end - start <= most * DAY_MS) return { from: new Date(start), to: new Date(end) };
  const message = `is more than ${most} days before \`to\``;
  throw new InvalidInput("The time is too long.", [{ path: "from", message }]);
}
