import { CommonConfig, finalRotationHours, policyFile, wholeNumber } from "@medvault/service-kit";

export const RecordsConfig = CommonConfig.extend({
  MEDVAULT_FINAL_ROTATION_AFTER_HOURS: finalRotationHours,
  MEDVAULT_RECORDS_CONNECTIONS: wholeNumber(2, 100)
    .default(10)
    .describe("connections of this process to Postgres"),
  MEDVAULT_POLICY_FILE: policyFile,
});
