import {
  CommonConfig,
  finalRotationHours,
  maxUploadBytes,
  policyFile,
  urlOf,
  wholeNumber,
} from "@medvault/service-kit";
import { z } from "zod";
import { addedTypes } from "./files/added-kinds.ts";

export const FilesConfig = CommonConfig.extend({
  MEDVAULT_FINAL_ROTATION_AFTER_HOURS: finalRotationHours,
  MEDVAULT_FILES_DIR: z.string().describe("where the blobs lie; the backup service reads the same directory"),
  MEDVAULT_POLICY_FILE: policyFile,
  MEDVAULT_RECORDS_URL: urlOf("http", "https").describe("records, which says who reaches which patient"),
  MEDVAULT_AUTH_URL: urlOf("http", "https").describe("auth, which says how people are called"),
  MEDVAULT_AUDIT_URL: urlOf("http", "https").describe("audit, which says who used a chart, for its export"),
  MEDVAULT_MAX_UPLOAD_BYTES: maxUploadBytes,
  MEDVAULT_FILES_TYPES: z
    .string()
    .optional()
    .transform((value, issues) => {
      try {
        return addedTypes(value ?? "");
      } catch (error) {
        issues.addIssue({ code: "custom", message: `holds what cannot be: ${(error as Error).message}` });
        return z.NEVER;
      }
    })
    .meta({
      shownDefault: "none",
      description:
        "more endings to store as downloads, as `edf=application/edf,hl7=text/plain`; `*=application/octet-stream`: every other one but programs",
    }),
  MEDVAULT_FILES_QUOTA_BYTES: wholeNumber(1, 2 ** 50)
    .default(20 * 2 ** 30)
    .describe("what the files of one patient may take"),
  MEDVAULT_FILES_QUOTA_FILES: wholeNumber(1, 1_000_000).default(20_000).describe("files of one patient"),
  MEDVAULT_FILES_UNVOUCHED_QUOTA_BYTES: wholeNumber(1, 2 ** 50)
    .default(20 * 2 ** 20)
    .describe("the same, of patients who registered themselves, until staff treats them"),
  MEDVAULT_FILES_UNVOUCHED_QUOTA_FILES: wholeNumber(1, 1_000_000)
    .default(50)
    .describe("files of such a patient"),
  MEDVAULT_EXPORT_HOURS: wholeNumber(1, 720)
    .default(24)
    .describe("hours for which an export waits for its one download"),
  MEDVAULT_EXPORT_MAX_BYTES: wholeNumber(2 ** 20, 2 ** 40)
    .default(32 * 2 ** 30)
    .describe("what one export may measure; it takes as much of the store until it is downloaded or expires"),
});
export type FilesConfig = z.infer<typeof FilesConfig>;
