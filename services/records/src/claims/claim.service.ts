import {
  type Actor,
  type ActVerb,
  type ClaimPatch,
  type ClaimView,
  claimApi,
  type NewClaim,
} from "@medvault/contracts";
import { inTransaction } from "@medvault/postgres";
import type { Answer, WriteRequest } from "@medvault/service-kit";
import type { Caller } from "../access/auth.client.ts";
import { requireProvider } from "../access/standing.service.ts";
import type { Context } from "../context.ts";
import { create } from "../resources/creation.service.ts";
import type { PatientOwned } from "../resources/patient-owned.ts";
import { change, changeOnce } from "../resources/resource.service.ts";
import { claims } from "./claim.table.ts";
import { amend, type Claim, diagnosed, type Step, take } from "./claim.ts";

/** What events call a step. Under which permission it is taken, its route says. */
const STEP_VERB: Readonly<Record<Step, ActVerb>> = {
  submit: "submitted",
  approve: "approved",
  reject: "rejected",
  pay: "paid",
};

/** Drafts a claim for a patient. Throws NotFound, InvalidInput (of the provider), Unavailable. */
export async function draftClaim(
  context: Context,
  actor: Caller,
  input: NewClaim,
  request: WriteRequest,
): Promise<Answer<ClaimView>> {
  await requireProvider(context, actor, input.providerId);
  const draft = (made: PatientOwned): Claim => ({
    ...made,
    ...input,
    ...diagnosed(input, { diagnosisCode: null, diagnosisCoding: null }),
    createdBy: actor.id,
    updatedBy: actor.id,
    status: "draft",
    reason: null,
  });
  return create(context, actor, claims, input.patientId, draft, request);
}

/** Changes a draft. Throws as draftClaim does, VersionConflict, InvalidTransition. */
export async function amendClaim(
  context: Context,
  actor: Caller,
  id: string,
  patch: ClaimPatch,
  expectedRev: number | null,
): Promise<Answer<ClaimView>> {
  if (patch.providerId !== undefined) await requireProvider(context, actor, patch.providerId);
  return inTransaction(context.pool, async (tx) => {
    const act = { verb: "updated" } as const;
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
