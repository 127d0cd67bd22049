import { z } from "zod";
import { page } from "../http.ts";
import { Id } from "../ids.ts";
import { TimeZone } from "../time-zone.ts";

/** A backup takes no parameters: there is one kind, and it holds everything. */
export const NewBackup = z.strictObject({});

export const BackupState = z.enum(["running", "complete", "failed"]);
export type BackupState = z.infer<typeof BackupState>;

export const BackupStage = z.enum(["tables", "files", "log", "verifying"]);
export type BackupStage = z.infer<typeof BackupStage>;

/** Counts of what a backup holds; `auditCheckpoint`: tree size of the copied log, if any. */
export const BackupContents = z.object({
  tables: z.int().nonnegative(),
  rows: z.int().nonnegative(),
  files: z.int().nonnegative(),
  /** Files of that moment whose content was gone or damaged already. */
  filesMissing: z.int().nonnegative(),
  auditCheckpoint: z.int().nonnegative().nullable(),
});

/** A restore keeps what it replaces in a backup, unless that cannot be made: then say so. */
export const RestoreRequest = z.strictObject({ withoutSafetyBackup: z.boolean().optional() });

const Rows = z.int().nonnegative();
const RowChanges = {
  /** Rows that are there and not in the backup: a restore takes them away. */
  written: Rows,
  /** Rows that are otherwise in the backup: they go back. */
  changed: Rows,
  /** Rows that are only in the backup: they come back, but for what is taken again. */
  removed: Rows,
};
export const RestoreChanges = z.object({
  ...RowChanges,
  /** Patients of whom any of these rows is. */
  patients: Rows,
  /** By table that differs, as `records.prescriptions` or `files.files`. */
  tables: z.array(z.object({ table: z.string(), ...RowChanges })),
});
export type RestoreChanges = z.infer<typeof RestoreChanges>;

/** `changes`: what the restore undoes, once it is known; `safetyBackupId`: where that is kept. */
export const RestoreView = z.object({
  id: Id,
  state: z.enum(["requested", "running", "complete", "failed"]),
  requestedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime().nullable(),
  error: z.string().nullable(),
  safetyBackupId: Id.nullable(),
  changes: RestoreChanges.nullable(),
});

/** `sha256` is that of the signed manifest, which names every part's; `error` is a stable code. */
export const BackupView = z.object({
  id: Id,
  state: BackupState,
  createdAt: z.iso.datetime(),
  finishedAt: z.iso.datetime().nullable(),
  sizeBytes: z.int().nonnegative().nullable(),
  sha256: z.string().nullable(),
  contents: BackupContents.nullable(),
  error: z.string().nullable(),
  /** Made by the schedule, which may delete it again (`keepDaily`, …). */
  scheduled: z.boolean(),
  /** What is being done, while it is made or verified. */
  stage: BackupStage.nullable(),
  /** How much of it is done, of 100, looked at every 5 s. */
  percent: z.int().min(0).max(100).nullable(),
  verification: z
    .object({ state: z.enum(["running", "passed", "failed"]), error: z.string().nullable() })
    .nullable(),
  verifiedAt: z.iso.datetime().nullable(),
  restore: RestoreView.nullable(),
  /** The latest trial of a restore, which changes nothing. */
  preview: RestoreView.nullable(),
});
export type BackupView = z.infer<typeof BackupView>;

export const BackupPage = page(BackupView);

/** Five fields of cron: minute, hour, day of the month, month, day of the week. */
const CronPattern = z
  .string()
  .trim()
  .max(100)
  .regex(/^\S+( +\S+){4}$/, "must have five fields, such as 30 2 * * *");
const Keep = (most: number) => z.int().min(0).max(most).nullable();

/**
 * When backups are made and verified by themselves, and how many of those are kept: the newest of
 * each of so many days, weeks (from Monday) and months that have one. All three null: all are kept.
 */
export const NewBackupSchedule = z.strictObject({
  /** When a backup is made; null: never. */
  cron: CronPattern.nullable(),
  /** When the newest backup is verified; null: never. */
  verifyCron: CronPattern.nullable().default(null),
  /** In which the patterns are read, and days begin. */
  timeZone: TimeZone.default("UTC"),
  keepDaily: Keep(1_000).default(null),
  keepWeekly: Keep(1_000).default(null),
  keepMonthly: Keep(1_000).default(null),
});
export type NewBackupSchedule = z.infer<typeof NewBackupSchedule>;

/** `nextAt`: of a backup that was missed or failed, when it is tried next. */
export const BackupScheduleView = z.object({
  ...NewBackupSchedule.shape,
  nextAt: z.iso.datetime().nullable(),
  nextVerifyAt: z.iso.datetime().nullable(),
  /** Null: nobody has set it yet. */
  updatedAt: z.iso.datetime().nullable(),
});
export type BackupScheduleView = z.infer<typeof BackupScheduleView>;
