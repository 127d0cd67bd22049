import { CommonConfig, loadConfig } from "@medvault/service-kit";
import { z } from "zod";
import { isKeyName } from "./tree/note.ts";

const Config = CommonConfig.extend({
  /** The store outside Postgres: checkpoint, tiles, sealed bodies, public key. */
  MEDVAULT_AUDIT_DIR: z.string(),
  /** The log's name in every checkpoint; it can never change for a log that has begun. */
  MEDVAULT_AUDIT_ORIGIN: z
    .string()
    .max(200)
    .refine(isKeyName, { message: "must hold no space and no plus" })
    .default("medvault.local/audit"),
  /** Least time between two checkpoints; ARCHITECTURE.md allows 5 s at most. */
  MEDVAULT_AUDIT_CHECKPOINT_MS: z.coerce.number().int().min(50).max(5_000).default(1_000),
  /** How long a writer that died keeps its standby waiting. */
  MEDVAULT_AUDIT_LEASE_MS: z.coerce.number().int().min(500).max(60_000).default(10_000),
  /** Entries that a writer derives again at its start; 100,000 take about 1 s. */
  MEDVAULT_AUDIT_START_ENTRIES: z.coerce.number().int().min(0).default(250_000),
});
export type Config = z.infer<typeof Config>;

/** The one reader of the environment. Throws ConfigError, naming every bad setting at once. */
export function readConfig(): Config {
  return loadConfig(Config, process.env);
}
