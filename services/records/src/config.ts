import { CommonConfig, finalRotationHours, loadConfig } from "@medvault/service-kit";
import { z } from "zod";

export const RecordsConfig = CommonConfig.extend({
  MEDVAULT_FINAL_ROTATION_AFTER_HOURS: finalRotationHours,
  /** Connections to Postgres of this process. */
  MEDVAULT_RECORDS_CONNECTIONS: z.coerce.number().int().min(2).max(100).default(10),
  /** The operator's field policy, JSON. */
  MEDVAULT_POLICY_FILE: z.string().optional(),
});
export type Config = z.infer<typeof RecordsConfig>;

/** The settings of this service, from the environment. Throws ConfigError, which names every fault. */
export function readConfig(): Config {
  return loadConfig(RecordsConfig, process.env);
}
