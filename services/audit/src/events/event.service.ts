import {
  type Actor,
  type AuditEventPage,
  type AuditEventQuery,
  type AuditEventView,
  type AuditStats,
  type AuditStatsQuery,
  decodeCursor,
  encodeCursor,
  Forbidden,
  NotFound,
  scopeOf,
} from "@medvault/contracts";
import { z } from "zod";
import type { Context } from "../context.ts";
import { rowById } from "../log/log.store.ts";
import { countBuckets } from "./count.store.ts";
import { latestActors, newestRows } from "./event.store.ts";
import { requireWholeLog, viewOf } from "./event.ts";
import { readingEvent } from "./reading.events.ts";

const MAX_BUCKETS = 1_000;
/** Events of a chart that are looked through for who acted, and how many of them are told. */
const MAX_ACTED = 20_000;
const MAX_ACTORS = 1_000;
const DAY_MS = 86_400_000;
/** Years 1 to 9999, in ms since 1970: what Postgres and RFC 3339 can both say. */
const Time = z.int().min(Date.parse("0001-01-01T00:00:00Z")).max(Date.parse("9999-12-31T23:59:59.999Z"));
const Cursor = z.tuple([Time, z.int().nonnegative()]);

/** Events that pass the filter, newest first. @throws Forbidden */
export async function queryEvents(
  { pool, seal, appender }: Context,
  actor: Actor,
  query: AuditEventQuery,
): Promise<z.input<typeof AuditEventPage>> {
  requireWholeLog(actor);
  const { limit, cursor, ...filter } = query;
  const position = decodeCursor(Cursor, cursor);
  const after = position && { time: position[0], idx: position[1] };
  const rows = await newestRows(pool, filter, after, limit + 1);
  const items = rows.slice(0, limit);
  const last = rows.length > limit ? items.at(-1) : undefined;
  await appender.append(
    readingEvent(actor, "queried", { filter, details: { limit, returned: items.length } }),
  );
  return {
    items: items.map((row) => viewOf(seal, row)),
    nextCursor: last ? encodeCursor([last.occurredAt, last.idx]) : null,
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
