import { CommonConfig, finalRotationHours, maxUploadBytes, policyFile, urlOf } from "@medvault/service-kit";
import { z } from "zod";

export const FilesConfig = CommonConfig.extend({
  MEDVAULT_FINAL_ROTATION_AFTER_HOURS: finalRotationHours,
  MEDVAULT_FILES_DIR: z.string().describe("where the blobs lie; the backup service reads the same directory"),
  MEDVAULT_POLICY_FILE: policyFile,
  MEDVAULT_RECORDS_URL: urlOf("http", "https").describe("records, which says who reaches which patient"),
  MEDVAULT_MAX_UPLOAD_BYTES: maxUploadBytes,
});
export type FilesConfig = z.infer<typeof FilesConfig>;
