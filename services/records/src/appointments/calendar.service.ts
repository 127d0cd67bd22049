import { type Actor, NotFound } from "@medvault/contracts";
import type { Answer } from "@medvault/service-kit";
import type { Caller } from "../access/auth.client.ts";
import type { Context } from "../context.ts";
import { done } from "../resources/resource.events.ts";
import { calendarEntries } from "./appointment.store.ts";
import { calendarOf } from "./calendar.ts";

const FILE = /^([0-9a-f]{64})\.ics$/;

/**
 * The calendar that a token opens: its owner's appointments of a month ago until a year ahead. It
 * is read in the owner's name, with the one permission that they hold for it at this moment.
 * Throws NotFound, Unavailable.
 */
export async function readCalendar(context: Context, caller: Caller, file: string): Promise<Answer<string>> {
  const token = FILE.exec(file)?.[1];
  const owner = token === undefined ? null : await context.feeds.ownerOf(caller, token);
  if (!owner) throw new NotFound();
  const { userId, role, scope, feedId } = owner;
  const { assertion: _, ...from } = caller;
  const reader: Actor = { ...from, id: userId, role, permissions: new Set([`appointment:read:${scope}`]) };
  const { entries, patientIds } = await calendarEntries(context.pool, reader);
  await context.appender.append(
    done(reader, {
      noun: "calendar-feed",
      verb: "read",
      permission: "appointment:read",
      subject: `calendar-feed/${feedId}`,
      patientIds,
      details: { count: entries.length },
    }),
  );
  const headers = {
    "Cache-Control": "private, no-store",
    "Content-Disposition": 'attachment; filename="appointments.ics"',
  };
  return { body: calendarOf(entries), headers };
}
