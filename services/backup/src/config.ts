import { CallingConfig, CommonConfig, loadConfig, urlOf } from "@medvault/service-kit";
import { z } from "zod";

const Directories = {
  /** Where backups lie. */
  MEDVAULT_BACKUPS_DIR: z.string(),
  /** The files service's store, which is copied from and, by a restore, put back into. */
  MEDVAULT_FILES_DIR: z.string(),
  /** The audit log's store outside Postgres, which is copied from. */
  MEDVAULT_AUDIT_DIR: z.string(),
};

const Config = CommonConfig.extend(Directories);
export type Config = z.infer<typeof Config>;

const RestoreConfig = CallingConfig.extend({
  ...CommonConfig.pick({ MEDVAULT_KEYS_FILE: true, MEDVAULT_KEYS: true, LOG_LEVEL: true }).shape,
  ...Directories,
  /** The role that owns the schemas: no running service has it. */
  MEDVAULT_OWNER_DATABASE_URL: urlOf("postgres", "postgresql"),
});
export type RestoreConfig = z.infer<typeof RestoreConfig>;

/** What the service reads of the environment. Throws ConfigError, naming every bad setting at once. */
export function readConfig(): Config {
  return loadConfig(Config, process.env);
}

/** What the restore job reads of it. Throws ConfigError. */
export function readRestoreConfig(): RestoreConfig {
  return loadConfig(RestoreConfig, process.env);
}
