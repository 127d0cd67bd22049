import type { ErasureView } from "@medvault/contracts";
import type { SignedErasure } from "@medvault/crypto";

/** Signs the ledger, and receipts of it. */
export const LEDGER_KEY = "erasure-ledger";

/** Who has a part in an erasure. */
export const PARTS = ["records", "files", "auth", "backup"] as const;
export type PartName = (typeof PARTS)[number];

/** A chart that is to be erased: its ids, sorted, and the account that is its patient's. */
export interface Subject {
  readonly ids: string[];
  readonly accountId: string | null;
}

/** An erasure, as the ledger and its parts say. */
export interface Erasure extends SignedErasure {
  readonly accountId: string | null;
  readonly erasedBy: string;
  /** Of the audit log. */
  readonly eventId: string;
  readonly keysDestroyedAt: Date | null;
  readonly parts: ReadonlyMap<string, { doneAt: Date; keysFinalAt: Date | null }>;
}

/** Parts that other services have yet to confirm. */
export const missingParts = ({ parts }: Pick<Erasure, "parts">): PartName[] =>
  PARTS.filter((name) => !parts.has(name));

/** What is shown of an erasure that is in the ledger, to whoever asks by this id of the chart. */
export function viewOf(erasure: Erasure, patientId: string): Omit<ErasureView, "requester" | "decider"> {
  const state = (name: PartName) => (erasure.parts.has(name) ? "done" : "pending");
  return {
    patientId,
    number: erasure.number,
    state: missingParts(erasure).length === 0 ? "complete" : "running",
    services: { records: state("records"), files: state("files"), auth: state("auth") },
    copies: { backup: state("backup") },
    erasedAt: erasure.erasedAt,
    ...(erasure.keysDestroyedAt && { keysDestroyedAt: erasure.keysDestroyedAt.toISOString() }),
    requestedBy: null,
    decidedBy: erasure.erasedBy,
    expiresAt: null,
    reason: null,
  };
}
