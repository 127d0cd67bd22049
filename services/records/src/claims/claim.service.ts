import type { Actor, ClaimPatch, ClaimView, NewClaim } from "@medvault/contracts";
import { inTransaction } from "@medvault/postgres";
import type { Context } from "../context.ts";
import type { PatientOwned } from "../resources/patient-owned.ts";
import { change, changeOnce, create, type Shown } from "../resources/resource.service.ts";
import type { WriteAnswer, WriteRequest } from "../resources/write.service.ts";
import { claims } from "./claim.table.ts";
import { amend, type Claim, type Step, take } from "./claim.ts";

/** Anyone who treats the patient hands a claim in; anyone who decides on claims does the rest. */
export const STEP_PERMISSION: Readonly<Record<Step, "claim:write" | "claim:decide">> = {
  submit: "claim:write",
  approve: "claim:decide",
  reject: "claim:decide",
  pay: "claim:decide",
};

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
): Promise<WriteAnswer<ClaimView>> {
  const draft = (made: PatientOwned): Claim => ({
    ...made,
    ...input,
    createdBy: actor.id,
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
): Promise<Shown<ClaimView>> {
  return inTransaction(context.pool, async (tx) => {
    const act = { verb: "updated" };
    const claim = await change(tx, context, actor, claims, id, expectedRev, act, (found) =>
      amend(found, patch, new Date()),
    );
    return { view: claims.view(claim), rev: claim.rev };
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
): Promise<WriteAnswer<ClaimView>> {
  const act = { verb: STEP_VERB[step], permission: STEP_PERMISSION[step] };
  const next = (found: Claim) => take(step, found, reason, new Date());
  return changeOnce(context, actor, claims, id, expectedRev, act, next, request);
}
