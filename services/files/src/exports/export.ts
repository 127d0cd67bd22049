import { randomInt } from "node:crypto";
import type { ExportFault, ExportStage, ExportView } from "@medvault/contracts";

export interface Export {
  id: string;
  patientId: string;
  requestedBy: string;
  state: ExportView["state"];
  stage: ExportStage | null;
  percent: number;
  reason: ExportFault | null;
  purpose: string | null;
  createdAt: Date;
  expiresAt: Date | null;
  sizeBytes: number | null;
  blob: string | null;
}

/** What is needed to make an archive, and after that to open it: sealed, and never shown. */
export interface ExportSecrets {
  id: string;
  rev: number;
  patientId: string;
  /** Until the archive is made. */
  password: string | null;
  delegation: string | null;
  /** Of the request, for the events of the job. */
  requestId: string | null;
  /** Of the archive on disk, base64; once it is made. */
  fileKey: string | null;
  /** What the patient had closed to its person when it was begun, and so is not in the archive. */
  closed: readonly string[];
}

export const viewOf = (one: Export): ExportView => ({
  id: one.id,
  patientId: one.patientId,
  state: one.state,
  percent: one.percent,
  stage: one.stage,
  reason: one.reason,
  createdAt: one.createdAt.toISOString(),
  expiresAt: one.expiresAt?.toISOString() ?? null,
  size: one.sizeBytes,
});

/** Without letters and digits that look alike. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const GROUPS = 7;
const GROUP_CHARS = 4;

/**
 * 140 random bits, to be typed: seven groups of four. ZIP derives its key with 1,000 rounds: what a
 * person chooses would be found offline.
 */
export function randomPassword(): string {
  const group = () =>
    Array.from({ length: GROUP_CHARS }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
  return Array.from({ length: GROUPS }, group).join("-");
}
