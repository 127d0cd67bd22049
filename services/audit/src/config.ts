import { CommonConfig, urlOf, wholeNumber } from "@medvault/service-kit";
import { z } from "zod";
import { isKeyName } from "./tree/note.ts";

export const AuditConfig = CommonConfig.extend({
  MEDVAULT_AUDIT_DIR: z
    .string()
    .describe(
      "the store outside Postgres (checkpoint, tiles, sealed bodies, public key), best on another disk",
    ),
  MEDVAULT_AUTH_URL: urlOf("http", "https").describe("auth, which says how people are called"),
  MEDVAULT_RECORDS_URL: urlOf("http", "https").describe(
    "records, which says which charts are a patient's own",
  ),
  MEDVAULT_AUDIT_ORIGIN: z
    .string()
    .max(200)
    .refine(isKeyName, { message: "must hold no space and no plus" })
    .default("medvault.local/audit")
    .describe("the log's name in every checkpoint; fixed once the log has begun"),
  MEDVAULT_AUDIT_CHECKPOINT_MS: wholeNumber(50, 5_000)
    .default(1_000)
    .describe("least time between two checkpoints, 50 to 5000"),
  MEDVAULT_AUDIT_LEASE_MS: wholeNumber(500, 60_000)
    .default(10_000)
    .describe("how long a writer that died keeps its standby waiting"),
  MEDVAULT_AUDIT_START_ENTRIES: wholeNumber(0, Number.MAX_SAFE_INTEGER)
    .default(250_000)
    .describe(
      "entries that a writer derives again at its start (100,000 take about 1 s); of a longer log the part before them is taken from tiles under the signed root",
    ),
});
export type AuditConfig = z.infer<typeof AuditConfig>;
