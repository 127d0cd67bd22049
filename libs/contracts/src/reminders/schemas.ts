import { z } from "zod";
import { TimeZone } from "../time-zone.ts";

/** Languages in which reminders are written, by their ISO 639-1 codes. */
export const LANGUAGES = ["en", "de", "es", "fr", "it", "nl", "pl", "pt"] as const;
export const Language = z.enum(LANGUAGES);
export type Language = z.infer<typeof Language>;

/** What people are reminded of by mail. */
export const REMINDERS = ["prescriptions", "appointments"] as const;
export type Reminder = (typeof REMINDERS)[number];

/** Whether a person is reminded of what ends, and of what comes. */
const reminders = { prescriptions: z.boolean(), appointments: z.boolean() };

export const PreferencesView = z.object({
  language: Language,
  timeZone: z.string(),
  reminders: z.object(reminders),
});
export type PreferencesView = z.infer<typeof PreferencesView>;

/** What is left out stays; null: as the installation has it. */
export const PreferencesPatch = z
  .strictObject({
    language: Language.nullable(),
    timeZone: TimeZone.nullable(),
    reminders: z.strictObject(reminders).partial(),
  })
  .partial();
export type PreferencesPatch = z.infer<typeof PreferencesPatch>;

/** Of the link in a reminder. */
export const ReminderStop = z.strictObject({ token: z.string().regex(/^[A-Za-z0-9_-]{44}$/) });

/** What a mail program sends with its one click; the path says the rest. */
export const OneClick = z.object({ "List-Unsubscribe": z.literal("One-Click") });

/** What other services are told of a reminder: `details` of its domain events. */
export const ReminderDue = z.object({
  reminder: z.guid(),
  recipient: z.guid().nullable(),
  notAfter: z.iso.datetime(),
});
export const ReminderCalledOff = z.object({ reminder: z.guid() });
