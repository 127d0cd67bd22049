import { type Actor, announcedErasure, auditEvent, type NewEvent } from "@medvault/contracts";
import { erasureHash, type SignedErasure, thumbprintOf } from "@medvault/crypto";
import { done } from "../resources/resource.events.ts";

/** For the audit log: who erased whom, and the entry of the ledger, by its hash. */
export function erasedEvent(
  actor: Actor,
  entry: SignedErasure,
  patientId: string,
  counts: Record<string, number | string>,
): NewEvent {
  return done(actor, {
    noun: "patient",
    verb: "erased",
    permission: "erasure:write",
    subject: `patient/${patientId}`,
    patientIds: entry.patientIds,
    details: {
      number: entry.number,
      entrySha256: erasureHash(entry),
      keyId: thumbprintOf(entry.publicKey),
      ...counts,
    },
  });
}

/**
 * For the other services, as often as it takes: what each has to forget, and the entry, of which
 * backup keeps a copy. The account that was the patient's is auth's to drop.
 */
export const announcedEvent = (entry: SignedErasure, accountId: string | null): NewEvent =>
  announcedErasure({
    ...{ number: entry.number, patientIds: entry.patientIds, erasedAt: entry.erasedAt },
    ...{ previous: entry.previous, publicKey: entry.publicKey.x, signature: entry.signature, accountId },
  });

/** That every service has confirmed, or that no copy of a key opens any more. */
export function progressEvent(
  verb: "completed" | "keys-destroyed",
  { number, patientIds }: SignedErasure,
): NewEvent {
  return auditEvent(null, {
    type: `medvault.records.erasure.${verb}.v1`,
    subject: `erasure/${number}`,
    action: "erasure:write",
    patientIds,
    details: { number },
  });
}
