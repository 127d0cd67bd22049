import { CommonConfig, finalRotationHours, loadConfig, policyFile, wholeNumber } from "@medvault/service-kit";
import type { z } from "zod";

export const RecordsConfig = CommonConfig.extend({
  MEDVAULT_FINAL_ROTATION_AFTER_HOURS: finalRotationHours,
  MEDVAULT_RECORDS_CONNECTIONS: wholeNumber(2, 100)
    .default(10)
    .describe("connections of this process to Postgres"),
  MEDVAULT_POLICY_FILE: policyFile,
});
export type Config = z.infer<typeof RecordsConfig>;

/** The settings of this service, from the environment. Throws ConfigError, which names every fault. */
export function readConfig(): Config {
  return loadConfig(RecordsConfig, process.env);
}
