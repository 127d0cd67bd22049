import type { ClaimPatch, ClaimStatus, ClaimView, Coding } from "@medvault/contracts";
import type { Original } from "../fhir/resource.ts";
import { nextRevision, type Stored } from "../resources/patient-owned.ts";
import { InvalidTransition } from "./claim.errors.ts";

export interface Claim extends Omit<Stored<ClaimView, "createdAt" | "updatedAt">, "diagnosisCoding"> {
  diagnosisCoding: Omit<Coding, "known"> | null;
  /** The FHIR resource that it came from, with what was changed here. */
  source: Original | null;
}

export type Step = "submit" | "approve" | "reject" | "pay";

/**
 * draft -> submitted -> approved -> paid, or submitted -> rejected. There is no other way and no
 * way back.
 */
const STEPS: Readonly<Record<Step, { from: ClaimStatus; to: ClaimStatus }>> = {
  submit: { from: "draft", to: "submitted" },
  approve: { from: "submitted", to: "approved" },
  reject: { from: "submitted", to: "rejected" },
  pay: { from: "approved", to: "paid" },
};

/**
 * The claim after a step, one revision on. A reason that was given replaces the former one. Throws
 * InvalidTransition.
 */
export function take(step: Step, claim: Claim, reason: string | null, now: Date): Claim {
  const { from, to } = STEPS[step];
  if (claim.status !== from) throw new InvalidTransition();
  return nextRevision(claim, { status: to, reason: reason ?? claim.reason }, now);
}

const OPEN: ReadonlySet<ClaimStatus> = new Set(["draft", "submitted"]);

/** The claim that a newer original makes; null once it was decided here. */
export function renewed(made: Claim, former: Claim): Claim | null {
  return OPEN.has(former.status) ? { ...made, createdBy: former.createdBy, reason: former.reason } : null;
}

/** The claim rejected, since its sender takes it back; null once it was decided here. */
export function withdrawn(claim: Claim, now: Date): Claim | null {
  if (!OPEN.has(claim.status)) return null;
  const reason = "Cancelled by its sender.";
  return { ...claim, status: "rejected", reason, rev: claim.rev + 1, updatedAt: now };
}

/**
 * The claim with changed fields, one revision on; only a draft can be changed. Throws
 * InvalidTransition.
 */
export function amend(claim: Claim, patch: ClaimPatch, now: Date): Claim {
  if (claim.status !== "draft") throw new InvalidTransition();
  const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
  return nextRevision(claim, { ...given, ...diagnosed(patch, claim) }, now);
}

/** A code and its coding are of one diagnosis: the one given alone takes the other along. */
export function diagnosed(
  { diagnosisCode, diagnosisCoding }: Pick<ClaimPatch, "diagnosisCode" | "diagnosisCoding">,
  former: Pick<Claim, "diagnosisCode" | "diagnosisCoding">,
): Pick<Claim, "diagnosisCode" | "diagnosisCoding"> {
  if (diagnosisCoding) {
    const { system = null, code, display = null } = diagnosisCoding;
    return { diagnosisCode: code, diagnosisCoding: { system, code, display } };
  }
  const code = diagnosisCode ?? former.diagnosisCode;
  const isSame = diagnosisCoding === undefined && code === former.diagnosisCode;
  return { diagnosisCode: code, diagnosisCoding: isSame ? former.diagnosisCoding : null };
}
