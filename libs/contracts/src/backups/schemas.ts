import { z } from "zod";
import { page } from "../http.ts";
import { Id } from "../ids.ts";

/** A backup takes no parameters: there is one kind, and it holds everything. */
export const NewBackup = z.strictObject({});

export const BackupState = z.enum(["running", "complete", "failed"]);
export type BackupState = z.infer<typeof BackupState>;

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
