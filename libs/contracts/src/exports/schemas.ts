import { z } from "zod";
import { instant, unscreened } from "../fields.ts";
import { Id } from "../ids.ts";

export const EXPORT_STATES = ["queued", "running", "ready", "downloaded", "failed", "expired"] as const;

/** What is being put in now. */
export const EXPORT_STAGES = ["record", "files", "access_log", "summary", "closing"] as const;
export type ExportStage = (typeof EXPORT_STAGES)[number];

/** Why there is no archive. */
export const EXPORT_FAULTS = ["access_lost", "too_large", "unavailable", "internal"] as const;
export type ExportFault = (typeof EXPORT_FAULTS)[number];

/** The shortest password that a caller may give: ZIP's own key derivation slows guessing little. */
export const MIN_ARCHIVE_PASSWORD = 20;

export const NewExport = z.strictObject({
  password: z
    .string()
    .max(128)
    .describe(
      `${MIN_ARCHIVE_PASSWORD} characters or more of printable ASCII, ten different ones; without it a random one is made`,
    )
    .register(unscreened, { why: "secret" })
    .optional(),
});
export type NewExport = z.infer<typeof NewExport>;

export const ExportView = z.object({
  id: Id,
  patientId: Id,
  state: z.enum(EXPORT_STATES),
  percent: z.int().min(0).max(100),
  stage: z.enum(EXPORT_STAGES).nullable(),
  /** Why it failed. */
  reason: z.enum(EXPORT_FAULTS).nullable(),
  createdAt: instant,
  /** When a ready archive is destroyed. */
  expiresAt: instant.nullable(),
  /** Of the archive, in bytes. */
  size: z.int().nullable(),
});
export type ExportView = z.infer<typeof ExportView>;

/** `password`: shown this once, where it was made; null where the caller gave it. */
export const BegunExport = ExportView.extend({ password: z.string().nullable() });
export type BegunExport = z.infer<typeof BegunExport>;
