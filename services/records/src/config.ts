import { CommonConfig, finalRotationHours, policyFile, urlOf, wholeNumber } from "@medvault/service-kit";
import { z } from "zod";
import { isTimeZone } from "./appointments/clinic-calendar.ts";

export const RecordsConfig = CommonConfig.extend({
  MEDVAULT_FINAL_ROTATION_AFTER_HOURS: finalRotationHours,
  MEDVAULT_RECORDS_CONNECTIONS: wholeNumber(2, 100)
    .default(10)
    .describe("connections of this process to Postgres"),
  MEDVAULT_AUTH_URL: urlOf("http", "https").describe(
    "auth, which says whose accounts are active, and how people are called",
  ),
  MEDVAULT_SEARCH_MEMORY_MIB: wholeNumber(1, 65_536)
    .default(256)
    .describe("MiB that the search index of this process may take; what does not fit is not searched: 503"),
  MEDVAULT_CLINIC_TIME_ZONE: z
    .string()
    .refine(isTimeZone, "must be a time zone of the IANA database, such as Europe/Berlin")
    .default("UTC")
    .describe(
      "the clinic's time zone, such as `Europe/Berlin`: when its days begin, and what its hours mean",
    ),
  MEDVAULT_POLICY_FILE: policyFile,
});
export type RecordsConfig = z.infer<typeof RecordsConfig>;
