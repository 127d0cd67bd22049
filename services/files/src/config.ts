import { CommonConfig, finalRotationHours, loadConfig, urlOf } from "@medvault/service-kit";
import { z } from "zod";

const Config = CommonConfig.extend({
  MEDVAULT_FINAL_ROTATION_AFTER_HOURS: finalRotationHours,
  /** Where the blobs lie; the backup service reads the same directory. */
  MEDVAULT_FILES_DIR: z.string(),
  /** The operator's field policy, JSON. */
  MEDVAULT_POLICY_FILE: z.string().optional(),
  MEDVAULT_RECORDS_URL: urlOf("http", "https"),
  /** Of one file, in bytes; a request takes ten. */
  MEDVAULT_MAX_UPLOAD_BYTES: z.coerce
    .number()
    .int()
    .min(1)
    .max(4 * 1024 ** 3)
    .default(16 * 1024 * 1024),
});
export type Config = z.infer<typeof Config>;

/** The one reader of the environment. Throws ConfigError, naming every bad setting at once. */
export function readConfig(): Config {
  return loadConfig(Config, process.env);
}
