import {
  CommonConfig,
  clinicTimeZone,
  finalRotationHours,
  policyFile,
  readableFile,
  urlOf,
  wholeNumber,
} from "@medvault/service-kit";
import { z } from "zod";
import { parseHours } from "./appointments/opening-hours.ts";
import { readLogo } from "./documents/letterhead.store.ts";

export const RecordsConfig = CommonConfig.extend({
  MEDVAULT_FINAL_ROTATION_AFTER_HOURS: finalRotationHours,
  MEDVAULT_RECORDS_CONNECTIONS: wholeNumber(2, 100)
    .default(10)
    .describe("connections of this process to Postgres"),
  MEDVAULT_READ_DATABASE_URL: urlOf("postgres", "postgresql")
    .optional()
    .describe("a streaming replica, for lists and searches, which are never older for it (docs/scaling.md)"),
  MEDVAULT_AUTH_URL: urlOf("http", "https").describe(
    "auth, which says whose accounts are active, and how people are called",
  ),
  MEDVAULT_AUDIT_URL: urlOf("http", "https").describe("audit, which proves that its log holds an erasure"),
  MEDVAULT_BREAK_GLASS_MINUTES: wholeNumber(5, 480)
    .default(60)
    .describe("minutes for which someone who breaks the glass reaches the chart"),
  MEDVAULT_ERASURE_APPROVAL: z
    .enum(["on", "off"])
    .default("off")
    .describe("whether a second person has to approve the erasure of a patient"),
  MEDVAULT_ERASURE_APPROVAL_HOURS: wholeNumber(1, 720)
    .default(72)
    .describe("hours for which an erasure waits for that approval"),
  MEDVAULT_SEARCH_MEMORY_MIB: wholeNumber(1, 65_536)
    .default(256)
    .describe("MiB that the search index of this process may take; what does not fit is not searched: 503"),
  MEDVAULT_CLINIC_TIME_ZONE: clinicTimeZone,
  MEDVAULT_CLINIC_HOURS: z
    .string()
    .default("Mon-Fri 08:00-18:00")
    .transform((text, context) => {
      const hours = parseHours(text);
      if (hours) return hours;
      context.addIssue("must be days and times such as `Mon-Fri 08:00-12:00,13:00-18:00; Sat 09:00-12:00`");
      return z.NEVER;
    })
    .describe("when the clinic is open, in its time zone: in which free slots and patients' requests lie")
    .meta({ shownDefault: "`Mon-Fri 08:00-18:00`" }),
  MEDVAULT_REMINDER_DAYS: wholeNumber(1, 90)
    .default(7)
    .describe("days before its end in which a prescription is announced as ending"),
  MEDVAULT_CLINIC_NAME: z
    .string()
    .max(200)
    .default("")
    .describe("how the clinic is called, at the top of printed prescriptions"),
  MEDVAULT_CLINIC_ADDRESS: z
    .string()
    .max(500)
    .default("")
    .transform((text) => text.split(";").map((line) => line.trim()))
    .describe("the clinic's address on printed prescriptions: lines, separated by semicolons")
    .meta({ shownDefault: "none" }),
  MEDVAULT_CLINIC_PHONE: z.string().max(100).default("").describe("its phone number there"),
  MEDVAULT_CLINIC_LOGO_FILE: readableFile
    .transform((file, context) => {
      try {
        return readLogo(file);
      } catch (error) {
        context.addIssue(error instanceof TypeError ? error.message : "cannot be read");
        return z.NEVER;
      }
    })
    .optional()
    .describe("its logo there: a PNG or JPEG file of at most 512 KiB and 2,000 pixels a side"),
  MEDVAULT_APPOINTMENT_REQUESTS: z
    .enum(["on", "off"])
    .default("off")
    .describe("whether patients may ask for an appointment, which a doctor of theirs then confirms"),
  MEDVAULT_POLICY_FILE: policyFile,
});
export type RecordsConfig = z.infer<typeof RecordsConfig>;
