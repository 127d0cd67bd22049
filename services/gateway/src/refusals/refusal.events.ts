import { createHash } from "node:crypto";
import type { AppError, NewEvent } from "@medvault/contracts";
import { RateLimited } from "@medvault/contracts";
import { isAddress } from "@medvault/service-kit";
import { EnrollmentRequired, SessionEnded, TokenRefused } from "../identity/identity.errors.ts";
import { TooManyPatients } from "../limits/limit.errors.ts";
import { threatOfAgent } from "../screening/screen.ts";
import { RequestScreened } from "../screening/screening.errors.ts";
import { THREATS, type Threat } from "../screening/threat.ts";

/** Which refusals the gateway itself reports to the audit log; services report their own. */
const PLAIN_KINDS = [
  ...(["token_refused", "session_required", "enrollment_required", "rate_limited"] as const),
  ...(["too_many_patients", "csrf_failed", "request_malformed"] as const),
  ...(["refused", "failed"] as const), // whatever else somebody who is signed in was answered
];
type Kind = (typeof PLAIN_KINDS)[number] | `screening_${Threat}`;
export const KINDS: readonly Kind[] = [
  ...PLAIN_KINDS,
  ...THREATS.map((threat) => `screening_${threat}` as const),
];

/** A refusal as it is counted and reported. */
export interface Refused {
  readonly kind: Kind;
  /** Why, as a code. */
  readonly reason: string;
}

/** From where, and in which request. */
export interface Source {
  ip: string;
  userAgent: string;
  requestId: string;
  traceparent: string | null;
}

/** Whose request it was. */
export type Person = NonNullable<NewEvent["data"]["actor"]>;

export const MALFORMED: Refused = { kind: "request_malformed", reason: "request_malformed" };
const CODE = /^[a-z][a-z0-9_]{0,99}$/;

/** A refusal that is reported whoever sent the request, or null. */
export function refusedHere(error: AppError): Refused | null {
  if (error instanceof RequestScreened) return { kind: `screening_${error.threat}`, reason: error.threat };
  const kind = kindOf(error);
  return kind && { kind, reason: kind };
}

function kindOf(error: AppError): Kind | null {
  if (error instanceof TooManyPatients) return "too_many_patients";
  if (error.code === "csrf_failed") return "csrf_failed";
  if (error instanceof RateLimited) return "rate_limited";
  if (error instanceof EnrollmentRequired) return "enrollment_required";
  if (error instanceof TokenRefused || error instanceof SessionEnded) return "token_refused";
  if (error.kind === "unauthenticated") return "session_required";
  return error.kind === "invalid" ? "request_malformed" : null;
}

/** Any other answer that is none to the request, with its code if that is known. */
export function refusedAnswer(status: number, code: string | undefined): Refused {
  const reason = code !== undefined && CODE.test(code) ? code : `status_${status}`;
  return { kind: status >= 500 ? "failed" : "refused", reason };
}

/**
 * The event of one refusal; the producer aggregates those of guests by kind and address. A
 * screening hit says which kind of attack it was and nothing of what was sent: of a guest not even
 * the user agent, and of a person only one that was no attack itself.
 */
export function securityEvent({ kind, reason }: Refused, from: Source, actor: Person | null): NewEvent {
  const isScreened = kind.startsWith("screening_");
  const showsAgent = actor ? threatOfAgent(from.userAgent) === null : !isScreened;
  const isFailure = kind === "failed";
  return {
    type: isScreened ? "medvault.gateway.screening.hit.v1" : `medvault.gateway.request.${kind}.v1`,
    subject: `address/${addressCode(from.ip)}`,
    requestId: from.requestId,
    traceparent: from.traceparent,
    data: {
      actor,
      from: { ip: from.ip, userAgent: showsAgent ? from.userAgent : "" },
      patientIds: [],
      action: "request:refuse",
      purpose: null,
      decision: { allowed: isFailure, reason },
      outcome: isFailure ? "failure" : "denied",
      fields: [],
      ...(isScreened ? { details: { kind: reason } } : {}),
    },
  };
}

/** An address as a subject may spell it; anything else (with a zone, `unknown`) by its hash. */
function addressCode(ip: string): string {
  return isAddress(ip) && !ip.includes("%") ? ip : createHash("sha256").update(ip).digest("hex").slice(0, 16);
}
