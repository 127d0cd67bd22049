import { z } from "zod";
import { auditEvent, type CloudEvent, type NewEvent } from "../events.ts";
import { Id } from "../ids.ts";

/** What records tells the other services of an erasure: what to forget, and the ledger's entry. */
export const ERASURE_ANNOUNCED = "medvault.records.erasure.announced.v1";
/** What each tells records: that it did its part, and later that its keys are gone. */
export const erasureConfirmed = (service: string): string => `medvault.${service}.erasure.confirmed.v1`;

/** Of the audit log: by how many there are the ledger's length is checked. */
export const ERASED = "medvault.records.patient.erased.v1";

const Hash = z.string().regex(/^[0-9a-f]{64}$/);

const Announced = z.strictObject({
  number: z.int().positive(),
  erasedAt: z.iso.datetime(),
  previous: Hash.nullable(),
  /** `x` of the JWK. */
  publicKey: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  signature: z.base64().length(88),
  accountId: Id.nullable(),
});

/** An erasure as the other services learn of it. */
export interface AnnouncedErasure extends z.infer<typeof Announced> {
  readonly patientIds: readonly string[];
}

export function announcedErasure(erasure: AnnouncedErasure): NewEvent {
  const { patientIds, ...details } = erasure;
  return auditEvent(null, {
    type: ERASURE_ANNOUNCED,
    ...{ subject: `erasure/${erasure.number}`, action: "erasure:write", audience: "domain" },
    ...{ patientIds, details },
  });
}

/** Throws what zod throws for an event that is none. */
export function erasureOfEvent({ data }: CloudEvent): AnnouncedErasure {
  const details = Announced.parse(data.details);
  return { ...details, patientIds: z.array(Id).min(1).parse(data.patientIds) };
}

const Confirmed = z.strictObject({
  number: z.int().positive(),
  doneAt: z.iso.datetime(),
  keysFinalAt: z.iso.datetime().nullable(),
});
export type ErasureConfirmed = z.infer<typeof Confirmed>;

/** `keysFinalAt`: since when no copy of a key of the patient's opens in that service. */
export function confirmedErasure(
  service: string,
  { number, patientIds }: Pick<AnnouncedErasure, "number" | "patientIds">,
  doneAt: Date,
  keysFinalAt: Date | null,
): NewEvent {
  const details = { number, doneAt: doneAt.toISOString(), keysFinalAt: keysFinalAt?.toISOString() ?? null };
  return auditEvent(null, {
    type: erasureConfirmed(service),
    ...{ subject: `erasure/${number}`, action: "erasure:write", audience: "domain" },
    ...{ patientIds, details },
  });
}

/** Throws what zod throws for an event that is none. */
export const confirmationOfEvent = ({ data }: CloudEvent): ErasureConfirmed => Confirmed.parse(data.details);

/** For the audit log: that a service forgot a patient, and how much that was. */
export const forgottenEvent = (
  service: string,
  { number, patientIds }: Pick<AnnouncedErasure, "number" | "patientIds">,
  counts: Record<string, number>,
): NewEvent =>
  auditEvent(null, {
    type: `medvault.${service}.patient.erased.v1`,
    ...{ subject: `erasure/${number}`, action: "erasure:write", reason: "erasure" },
    ...{ patientIds, details: { number, ...counts } },
  });
