import { CallingConfig, CommonConfig, urlOf } from "@medvault/service-kit";
import { z } from "zod";

const Directories = {
  MEDVAULT_BACKUPS_DIR: z.string().describe("where backups lie"),
  MEDVAULT_FILES_DIR: z
    .string()
    .describe("the files service's store, which is copied from and, by a restore, put back into"),
  MEDVAULT_AUDIT_DIR: z.string().describe("the audit log's store outside Postgres, which is copied from"),
};

export const BackupConfig = CommonConfig.extend(Directories);
export type BackupConfig = z.infer<typeof BackupConfig>;

/** Of the jobs, which connect to Postgres alone. */
const JobConfig = CallingConfig.extend({
  ...CommonConfig.pick({ MEDVAULT_KEYS_FILE: true, MEDVAULT_KEYS: true, LOG_LEVEL: true }).shape,
  ...Directories,
});
export type JobConfig = z.infer<typeof JobConfig>;

export const BackupJobConfig = JobConfig.extend(CommonConfig.pick({ DATABASE_URL: true }).shape);
export type BackupJobConfig = z.infer<typeof BackupJobConfig>;

export const RestoreConfig = JobConfig.extend({
  MEDVAULT_OWNER_DATABASE_URL: urlOf("postgres", "postgresql").describe(
    "PostgreSQL, as the role that owns the schemas: no running service has it",
  ),
});
export type RestoreConfig = z.infer<typeof RestoreConfig>;
