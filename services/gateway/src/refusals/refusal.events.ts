import { createHash } from "node:crypto";
import type { AppError, NewEvent } from "@medvault/contracts";
import { RateLimited } from "@medvault/contracts";
import { isAddress } from "@medvault/service-kit";
import { EnrollmentRequired, SessionEnded, TokenRefused } from "../identity/identity.errors.ts";
import { TooManyPatients } from "../limits/limit.errors.ts";
import { RequestScreened } from "../screening/screening.errors.ts";
import { THREATS, type Threat } from "../screening/threat.ts";

/** Which refusals the gateway itself reports to the audit log; services report their own. */
const PLAIN_KINDS = [
  ...(["token_refused", "session_required", "enrollment_required", "rate_limited"] as const),
  ...(["too_many_patients", "csrf_failed", "request_malformed"] as const),
];
export type SecurityEventKind = (typeof PLAIN_KINDS)[number] | `screening_${Threat}`;
export const KINDS: readonly SecurityEventKind[] = [
  ...PLAIN_KINDS,
  ...THREATS.map((threat) => `screening_${threat}` as const),
];

/** From where, and in which request. */
export interface Source {
  ip: string;
  userAgent: string;
  requestId: string;
  traceparent: string | null;
}

/** Which kind of event a refusal is, or null for none. */
export function kindOf(error: AppError): SecurityEventKind | null {
  if (error instanceof TooManyPatients) return "too_many_patients";
  if (error instanceof RequestScreened) return `screening_${error.threat}`;
  if (error.code === "csrf_failed") return "csrf_failed";
  if (error instanceof RateLimited) return "rate_limited";
  if (error instanceof EnrollmentRequired) return "enrollment_required";
  if (error instanceof TokenRefused || error instanceof SessionEnded) return "token_refused";
  if (error.kind === "unauthenticated") return "session_required";
  return error.kind === "invalid" ? "request_malformed" : null;
}

/**
 * The event of one refusal; the producer aggregates those of one kind and address. A screening hit
 * says which kind of attack it was and nothing of what was sent: not even the user agent, which may
 * have been the attack.
 */
export function securityEvent(
  kind: SecurityEventKind,
  from: Source,
  actor: TooManyPatients["actor"] | null = null,
): NewEvent {
  const threat = kind.startsWith("screening_") ? kind.slice("screening_".length) : null;
  return {
    type: threat ? "medvault.gateway.screening.hit.v1" : `medvault.gateway.request.${kind}.v1`,
    subject: `address/${addressCode(from.ip)}`,
    requestId: from.requestId,
    traceparent: from.traceparent,
    data: {
      actor,
      from: { ip: from.ip, userAgent: threat ? "" : from.userAgent },
      patientIds: [],
      action: "request:refuse",
      purpose: null,
      decision: { allowed: false, reason: threat ?? kind },
      outcome: "denied",
      fields: [],
      ...(threat ? { details: { kind: threat } } : {}),
    },
  };
}

/** An address as a subject may spell it; anything else (with a zone, `unknown`) by its hash. */
function addressCode(ip: string): string {
  return isAddress(ip) && !ip.includes("%") ? ip : createHash("sha256").update(ip).digest("hex").slice(0, 16);
}
