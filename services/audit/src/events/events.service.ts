import {
  type Actor,
  type AuditEventQuery,
  type AuditEventView,
  type AuditFilter,
  type AuditStats,
  decodeCursor,
  encodeCursor,
  Forbidden,
  type NewEvent,
  NotFound,
  scopeOf,
} from "@medvault/contracts";
import type pg from "pg";
import { z } from "zod";
import type { BodySeal } from "../log/body-seal.ts";
import { rowById } from "../log/log.store.ts";
import { viewOf } from "./event.view.ts";
import { countByBucket, newestRows } from "./events.store.ts";
import { readingEvent } from "./reading.ts";

const MAX_BUCKETS = 1_000;
const DAY_MS = 86_400_000;
const Cursor = z.tuple([z.int(), z.int().nonnegative()]);

export interface EventsParts {
  readonly pool: pg.Pool;
  readonly seal: BodySeal;
  /** Resolves when the event of the reading is durable; the answer waits for it. */
  readonly record: (event: NewEvent) => Promise<void>;
}

/** Looking into the log. Every look leaves an event before its answer leaves. */
export function createEventsService({ pool, seal, record }: EventsParts) {
  return {
    /** Events that pass the filter, newest first. */
    async query(
      actor: Actor,
      query: AuditEventQuery,
    ): Promise<{ items: AuditEventView[]; nextCursor: string | null }> {
      demandWholeLog(actor);
      const { limit, cursor, ...filter } = query;
      const position = decodeCursor(Cursor, cursor);
      const after = position && { time: position[0], idx: position[1] };
      const rows = await newestRows(pool, filter, after, limit + 1);
      const items = rows.slice(0, limit);
      const last = rows.length > limit ? items.at(-1) : undefined;
      await record(readingEvent(actor, "queried", { filter, details: { limit, returned: items.length } }));
      return {
        items: items.map((row) => viewOf(seal, row)),
        nextCursor: last ? encodeCursor([last.occurredAt, last.idx]) : null,
      };
    },

    /** One event. @throws NotFound */
    async read(actor: Actor, id: string): Promise<AuditEventView> {
      demandWholeLog(actor);
      const row = await rowById(pool, id);
      if (row === null) throw new NotFound();
      await record(readingEvent(actor, "read", { subject: `audit/${row.id}`, patientIds: row.patientIds }));
      return viewOf(seal, row);
    },

    /** Counts per bucket, of the last 48 hours or 90 days unless the filter says from when. */
    async stats(actor: Actor, filter: AuditFilter, bucket: "hour" | "day", now: Date): Promise<AuditStats> {
      demandWholeLog(actor);
      const since = new Date(now.getTime() - (bucket === "hour" ? 2 : 90) * DAY_MS).toISOString();
      const counts = await countByBucket(
        pool,
        { ...filter, from: filter.from ?? since },
        bucket,
        MAX_BUCKETS,
      );
      await record(readingEvent(actor, "counted", { filter, details: { bucket } }));
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
    },
  };
}
export type EventsService = ReturnType<typeof createEventsService>;

/** Patients hold audit:read for their own record's history (my-access) alone; the log itself wants the scope any. */
export function demandWholeLog(actor: Actor): void {
  if (scopeOf(actor, "audit:read") !== "any") throw new Forbidden();
}
