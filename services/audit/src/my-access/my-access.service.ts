import { Forbidden, type MyAccessPage, type MyAccessQuery, scopeOf } from "@medvault/contracts";
import type { Caller } from "@medvault/service-kit";
import type { z } from "zod";
import type { Context } from "../context.ts";
import { newestAbout } from "../events/event.store.ts";
import { cursorAfter, positionOf, viewOf } from "../events/event.ts";
import { readingEvent } from "../events/reading.events.ts";
import { visitsOf } from "./visit.ts";

/** Acts that one page looks at, so that its cost has a limit however much was done. */
const MAX_ACTS = 500;

/**
 * Who touched the caller's own charts, by visit, newest first: for a patient, and nobody else.
 * @throws Forbidden, Unavailable
 */
export async function readMyAccess(
  { pool, seal, appender, ownCharts }: Context,
  caller: Caller,
  { limit, cursor, ...filter }: MyAccessQuery,
): Promise<z.input<typeof MyAccessPage>> {
  if (scopeOf(caller, "audit:read") !== "own") throw new Forbidden();
  const after = positionOf(cursor);
  const patientIds = await ownCharts.of(caller);
  const rows =
    patientIds.length === 0 ? [] : await newestAbout(pool, patientIds, filter, after, MAX_ACTS + 1);
  const acts = rows.slice(0, MAX_ACTS).map((row) => viewOf(seal, row));
  const whose = { callerId: caller.id, charts: new Set(patientIds) };
  const { visits, taken } = visitsOf(acts, limit, whose);
  const last = taken < rows.length ? rows[taken - 1] : undefined;
  await appender.append(
    readingEvent(caller, "queried", { filter, patientIds, details: { limit, returned: taken } }),
  );
  return { items: visits, nextCursor: last ? cursorAfter(last) : null };
}
