import { z } from "zod";
import { AuditEventData, EventSubject, EventType } from "../events.ts";
import { Instant } from "../http.ts";
import { Id } from "../ids.ts";

/**
 * Says that records asks the log about its rows: `details.ticketSha256` is of its ticket. The
 * broker vouches for who said it.
 */
export const ROWS_ASKED = "medvault.records.row-check.opened.v1";
/** Says that rows of which the log said nothing were taken as they were found, once. */
export const ROWS_BASED = "medvault.records.row-check.based.v1";

export const RowEventsQuery = z.strictObject({
  from: z.coerce
    .number()
    .int()
    .min(0)
    .max(2 ** 53 - 1),
});

/** An entry of the log that says what a row was left as: without who did it. */
export const RowEvent = z.object({
  idx: z.number().int().nonnegative(),
  id: Id,
  time: Instant,
  type: EventType,
  subject: EventSubject,
  patientIds: z.array(Id),
  details: AuditEventData.shape.details.unwrap(),
});
export type RowEvent = z.infer<typeof RowEvent>;

/** Entries in their order, up to but not including `next`; `missing` of them cannot be read. */
export const RowEventPage = z.object({
  events: z.array(RowEvent),
  next: z.number().int().nonnegative(),
  size: z.number().int().nonnegative(),
  missing: z.number().int().nonnegative(),
});
export type RowEventPage = z.infer<typeof RowEventPage>;
