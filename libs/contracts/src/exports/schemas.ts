import { z } from "zod";
import { instant } from "../fields.ts";
import { Id } from "../ids.ts";

export const EXPORT_STATES = ["queued", "running", "ready", "downloaded", "failed", "expired"] as const;

/** What is being put in now. */
export const EXPORT_STAGES = ["record", "files", "access_log", "summary", "closing"] as const;
export type ExportStage = (typeof EXPORT_STAGES)[number];

/** Why there is no archive. */
export const EXPORT_FAULTS = ["access_lost", "too_large", "unavailable", "internal"] as const;
export type ExportFault = (typeof EXPORT_FAULTS)[number];

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

/** `password`: random, and shown this once; null in a repeated answer. */
export const BegunExport = ExportView.extend({ password: z.string().nullable() });
export type BegunExport = z.infer<typeof BegunExport>;
