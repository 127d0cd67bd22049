import { type Actor, type ClaimPatch, type ClaimView, claimApi, type NewClaim } from "@medvault/contracts";
import { inTransaction } from "@medvault/postgres";
import type { Answer, WriteRequest } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import type { PatientOwned } from "../resources/patient-owned.ts";
import { change, changeOnce, create } from "../resources/resource.service.ts";
import { claims } from "./claim.table.ts";
import { amend, type Claim, type Step, take } from "./claim.ts";

/** What events call a step. Under which permission it is taken, its route says. */
const STEP_VERB: Readonly<Record<Step, string>> = {
  submit: "submitted",
  approve: "approved",
  reject: "rejected",
  pay: "paid",
};

/** Drafts a claim for a patient. Throws NotFound. */
export function draftClaim(
  context: Context,
  actor: Actor,
  input: NewClaim,
  request: WriteRequest,
): Promise<Answer<ClaimView>> {
  const draft = (made: PatientOwned): Claim => ({
    ...made,
    ...input,
    createdBy: actor.id,
    updatedBy: actor.id,
    status: "draft",
    reason: null,
  });
  return create(context, actor, claims, input.patientId, draft, request);
}

/** Changes a draft. Throws NotFound, VersionConflict, InvalidTransition. */
export function amendClaim(
  context: Context,
  actor: Actor,
  id: string,
  patch: ClaimPatch,
  expectedRev: number | null,
): Promise<Answer<ClaimView>> {
  return inTransaction(context.pool, async (tx) => {
    const act = { verb: "updated" };
    const claim = await change(tx, context, actor, claims, id, expectedRev, act, (found) =>
      amend(found, patch, new Date()),
    );
    return { body: claims.view(claim), rev: claim.rev };
  });
}

/** Takes a step of the workflow. Throws NotFound, VersionConflict, InvalidTransition. */
export function takeStep(
  context: Context,
  actor: Actor,
  id: string,
  step: Step,
  reason: string | null,
  expectedRev: number | null,
  request: WriteRequest,
): Promise<Answer<ClaimView>> {
  const act = { verb: STEP_VERB[step], permission: claimApi[step].permission };
  const next = (found: Claim) => take(step, found, reason, new Date());
  return changeOnce(context, actor, claims, id, expectedRev, act, next, request);
}
