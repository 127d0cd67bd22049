import {
  type Actor,
  type AuditEventPage,
  type AuditEventQuery,
  type AuditEventView,
  type AuditStats,
  type AuditStatsQuery,
  Forbidden,
  NotFound,
  scopeOf,
} from "@medvault/contracts";
import type { z } from "zod";
import type { Context } from "../context.ts";
import { rowById } from "../log/log.store.ts";
import { countBuckets } from "./count.store.ts";
import { latestActors, newestRows } from "./event.store.ts";
import { cursorAfter, positionOf, requireWholeLog, viewOf } from "./event.ts";
import { readingEvent } from "./reading.events.ts";

const MAX_BUCKETS = 1_000;
/** Events of a chart that are looked through for who acted, and how many of them are told. */
const MAX_ACTED = 20_000;
const MAX_ACTORS = 1_000;
const DAY_MS = 86_400_000;

/** Events that pass the filter, newest first. @throws Forbidden */
export async function queryEvents(
  { pool, seal, appender }: Context,
  actor: Actor,
  query: AuditEventQuery,
): Promise<z.input<typeof AuditEventPage>> {
  requireWholeLog(actor);
  const { limit, cursor, ...filter } = query;
  const after = positionOf(cursor);
  const rows = await newestRows(pool, filter, after, limit + 1);
  const items = rows.slice(0, limit);
  const last = rows.length > limit ? items.at(-1) : undefined;
  await appender.append(
    readingEvent(actor, "queried", { filter, details: { limit, returned: items.length } }),
  );
  return {
    items: items.map((row) => viewOf(seal, row)),
    nextCursor: last ? cursorAfter(last) : null,
  };
}

/** One event. @throws Forbidden, NotFound */
export async function readEvent(
  { pool, seal, appender }: Context,
  actor: Actor,
  id: string,
): Promise<AuditEventView> {
  requireWholeLog(actor);
  const row = await rowById(pool, id);
  if (row === null) throw new NotFound();
  await appender.append(
    readingEvent(actor, "read", { subject: `audit/${row.id}`, patientIds: row.patientIds }),
  );
  return viewOf(seal, row);
}

/** Who acted on these charts lately. @throws Forbidden */
export async function actorsOn(
  { pool }: Context,
  actor: Actor,
  patientIds: readonly string[],
): Promise<string[]> {
  if (scopeOf(actor, "audit:read") === null) throw new Forbidden();
  return latestActors(pool, patientIds, MAX_ACTED, MAX_ACTORS);
}

/** Counts per bucket, of the last 48 hours or 90 days without a `from`. @throws Forbidden */
export async function countEvents(
  { pool, appender, now }: Context,
  actor: Actor,
  { bucket, ...filter }: z.infer<typeof AuditStatsQuery>,
): Promise<AuditStats> {
  requireWholeLog(actor);
  const since = new Date(now().getTime() - (bucket === "hour" ? 2 : 90) * DAY_MS).toISOString();
  const counts = await countBuckets(pool, { ...filter, from: filter.from ?? since }, bucket, MAX_BUCKETS);
  await appender.append(readingEvent(actor, "counted", { filter, details: { bucket } }));
  return {
    bucket,
    items: counts.map(({ start, success, denied, failure }) => ({
      start: start.toISOString(),
      total: success + denied + failure,
      success,
      denied,
      failure,
    })),
  };
}
