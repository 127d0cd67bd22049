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

export const RestoreView = z.object({
  id: Id,
  state: z.enum(["requested", "running", "complete", "failed"]),
  requestedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime().nullable(),
  error: z.string().nullable(),
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
});
export type BackupView = z.infer<typeof BackupView>;

export const BackupPage = page(BackupView);
