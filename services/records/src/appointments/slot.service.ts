import { Forbidden, InvalidInput, type SlotQuery, type Slots } from "@medvault/contracts";
import type { Answer } from "@medvault/service-kit";
import type { Caller } from "../access/auth.client.ts";
import type { Context } from "../context.ts";
import { done } from "../resources/resource.events.ts";
import { isOfOwn, requireDoctor } from "./appointment.service.ts";
import { busyTimes } from "./appointment.store.ts";
import { periodOf } from "./clinic-calendar.ts";
import { freeSlots, openingsBetween } from "./opening-hours.ts";

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const MAX_DAYS = 31;
const MAX_SLOTS = 1_000;
const MAX_FUTURE_DAYS = 5 * 366;

/**
 * When a doctor is free within the clinic's hours; it says nothing of whom they see otherwise.
 * Throws Forbidden, InvalidInput, Unavailable.
 */
export async function findSlots(
  context: Context,
  actor: Caller,
  { doctorId, minutes, ...asked }: SlotQuery,
): Promise<Answer<Slots>> {
  const { hours, timeZone, takesRequests } = context.clinic;
  const isPatients = isOfOwn(actor, "appointment:read");
  if (isPatients && !takesRequests) throw new Forbidden();
  const period = periodOf(asked, timeZone);
  const now = Date.now();
  const from = Math.max(period.from === undefined ? 0 : Date.parse(period.from), now);
  const asFar = period.to === undefined ? from + 7 * DAY_MS : Date.parse(period.to);
  const to = Math.min(asFar, now + MAX_FUTURE_DAYS * DAY_MS);
  // One hour more: that of a month in which clocks go back.
  if (to - from > MAX_DAYS * DAY_MS + 60 * MINUTE_MS)
    throw new InvalidInput(undefined, [{ path: "to", message: `must be within ${MAX_DAYS} days of from` }]);
  await requireDoctor(context, actor, doctorId, isPatients);
  const openings = to > from ? openingsBetween(hours, timeZone, from, to) : [];
  const busy = openings.length > 0 ? await busyTimes(context.pool, actor, doctorId, from, to) : [];
  const slots = freeSlots(openings, busy, { from, to, lengthMs: minutes * MINUTE_MS, most: MAX_SLOTS });
  await context.appender.append(
    done(actor, {
      noun: "appointment",
      verb: "slots-read",
      permission: "appointment:read",
      subject: `user/${doctorId}`,
      details: { count: slots.length },
    }),
  );
  const items = slots.map((slot) => ({
    startsAt: new Date(slot.from).toISOString(),
    endsAt: new Date(slot.to).toISOString(),
  }));
  return { body: { items, timeZone } };
}
