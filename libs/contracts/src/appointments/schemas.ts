import { z } from "zod";
import { instant, text } from "../fields.ts";
import { PageQuery, PlainDate, queryNumber, sealedPage, versions, wholeNumber } from "../http.ts";
import { Id } from "../ids.ts";
import { personOf } from "../person.ts";

export const AppointmentStatus = z.enum([
  "requested",
  "booked",
  "arrived",
  "fulfilled",
  "cancelled",
  "noshow",
]);
export type AppointmentStatus = z.infer<typeof AppointmentStatus>;

const DAY_MS = 86_400_000;
/** How far from now an appointment may begin. */
const MAX_PAST_DAYS = 366;
const MAX_FUTURE_DAYS = 5 * 366;

const startsAt = instant.refine((value) => {
  const days = (Date.parse(value) - Date.now()) / DAY_MS;
  return days >= -MAX_PAST_DAYS && days <= MAX_FUTURE_DAYS;
}, "must be within the last year or the next five");

const isInOrder = (times: { startsAt?: string | undefined; endsAt?: string | undefined }): boolean => {
  if (times.startsAt === undefined || times.endsAt === undefined) return true;
  const length = Date.parse(times.endsAt) - Date.parse(times.startsAt);
  return length > 0 && length <= DAY_MS;
};
/**
 * Of an appointment's two times; a change of one alone is held against the other that stays.
 * (Frozen, and given away as copies: zod takes the message out of what it is given.)
 */
export const APPOINTMENT_ORDER = Object.freeze({
  path: ["endsAt"],
  message: "must be after startsAt, by a day at most",
});
export const isAppointmentTime = (startsAt: Date, endsAt: Date): boolean =>
  isInOrder({ startsAt: startsAt.toISOString(), endsAt: endsAt.toISOString() });

const fields = {
  doctorId: Id,
  startsAt,
  endsAt: instant,
  reason: text(2000).nullable().optional(),
};

/** Times have an offset or `Z`: a local time is two moments on the day when clocks go back. */
export const NewAppointment = z
  .strictObject({
    patientId: Id,
    ...fields,
    /** Default: `booked`; for patients `requested`, the only one that they may choose. */
    status: z.enum(["requested", "booked"]).optional(),
  })
  .refine(isInOrder, { ...APPOINTMENT_ORDER });
export type NewAppointment = z.infer<typeof NewAppointment>;

/** `changeReason` says why it is moved or cancelled: sealed, and never in an event. */
export const AppointmentPatch = z
  .strictObject({ ...fields, status: AppointmentStatus, changeReason: text(2000).nullable() })
  .partial()
  .refine(isInOrder, { ...APPOINTMENT_ORDER });
export type AppointmentPatch = z.infer<typeof AppointmentPatch>;

export const AppointmentView = z.object({
  id: Id,
  patientId: Id,
  doctorId: Id,
  doctor: personOf("doctorId"),
  startsAt: instant,
  endsAt: instant,
  reason: z.string().nullable(),
  status: AppointmentStatus,
  /** Why it was last moved or took another status; null where nobody said. */
  changeReason: z.string().nullable(),
  /** Whether the clinic was closed then, by the hours it had when the time was chosen. */
  outsideHours: z.boolean(),
  createdBy: Id,
  creator: personOf("createdBy"),
  updatedBy: Id.nullable(),
  updater: personOf("updatedBy"),
  createdAt: instant,
  updatedAt: instant,
});
export type AppointmentView = z.infer<typeof AppointmentView>;
export const AppointmentPage = sealedPage(AppointmentView);
export const AppointmentVersions = versions(AppointmentView);

/** An instant, or a day of the clinic's calendar. */
const moment = z.union([instant, PlainDate]);
/**
 * Those that begin at `from` or later and before `to`; of days both are included, from their first
 * to their last moment in the clinic's time zone (23 or 25 hours when clocks change).
 */
export const AppointmentListQuery = PageQuery.extend({
  patientId: Id.optional(),
  doctorId: Id.optional(),
  status: AppointmentStatus.optional(),
  from: moment.optional(),
  to: moment.optional(),
}).strict();
export type AppointmentListQuery = z.infer<typeof AppointmentListQuery>;

/** From now on and for a week, unless it says otherwise; 31 days at most. */
export const SlotQuery = z.strictObject({
  doctorId: Id,
  from: moment.optional(),
  to: moment.optional(),
  /** How long a slot is to be. */
  minutes: queryNumber(wholeNumber().min(5).max(480).default(30)),
});
export type SlotQuery = z.infer<typeof SlotQuery>;
/** The first thousand slots, in order, and the time zone of the clinic, to show them in. */
export const Slots = z.object({
  items: z.array(z.object({ startsAt: instant, endsAt: instant })),
  timeZone: z.string(),
});
export type Slots = z.infer<typeof Slots>;
