import { z } from "zod";
import { AuditProof } from "../audit/schemas.ts";
import { instant, text } from "../fields.ts";
import { Id } from "../ids.ts";
import { personOf } from "../person.ts";

/** Why, in words that somebody else can judge by. Sealed, and never in an event. */
const Reason = text(500).refine(
  (value) => [...value.replace(/\p{Cf}/gu, "").trim()].length >= 10,
  "must say why, in at least 10 characters",
);

export const NewErasure = z.strictObject({ reason: Reason });
export type NewErasure = z.infer<typeof NewErasure>;

/**
 * `requested` until a second person approves it; `running` from then on, and nothing of the patient
 * opens any more; `complete` once every service and the copies of the ledger have confirmed.
 */
export const ErasureState = z.enum(["requested", "withdrawn", "refused", "expired", "running", "complete"]);
export type ErasureState = z.infer<typeof ErasureState>;

const Part = z.enum(["pending", "done"]);

export const ErasureView = z.object({
  patientId: Id,
  /** In the ledger; null before it is carried out. */
  number: z.int().positive().nullable(),
  state: ErasureState,
  /** Which service has done its part. */
  services: z.object({ records: Part, files: Part, auth: Part }),
  /** Where the ledger is kept beside records; the audit log has it from its own event. */
  copies: z.object({ backup: Part }),
  erasedAt: instant.nullable(),
  /** From then on no copy of a key opens either: not in a dump, not in a backup. */
  keysDestroyedAt: instant.optional(),
  requestedBy: Id.nullable(),
  requester: personOf("requestedBy"),
  decidedBy: Id.nullable(),
  decider: personOf("decidedBy"),
  /** Until when a request may be approved. */
  expiresAt: instant.nullable(),
  /** Of a request; it goes with the patient. */
  reason: z.string().nullable(),
});
export type ErasureView = z.infer<typeof ErasureView>;

export const NewLegalHold = z.strictObject({ reason: Reason });
export type NewLegalHold = z.infer<typeof NewLegalHold>;

export const LegalHoldView = z.object({
  patientId: Id,
  reason: z.string(),
  placedBy: Id,
  placer: personOf("placedBy"),
  createdAt: instant,
  updatedAt: instant,
});
export type LegalHoldView = z.infer<typeof LegalHoldView>;

const Jwk = z.object({ kty: z.literal("OKP"), crv: z.literal("Ed25519"), x: z.string() });
const Signed = z.object({ statement: z.string(), signature: z.string() });

/** What tools/verify-proof.mjs checks, away from us and years later. */
export const ErasureReceipt = z.object({
  format: z.literal("medvault-erasure-receipt/1"),
  /** What is attested now: who has confirmed, and since when no key opens anything. */
  receipt: Signed,
  /** The entry of the ledger, by whose hash the receipt and the audit event name it. */
  entry: Signed,
  publicKey: Jwk,
  /** That the audit log holds the event of the erasure, which names the entry and the key. */
  proof: AuditProof,
});
export type ErasureReceipt = z.infer<typeof ErasureReceipt>;
