import {
  type Actor,
  type ClaimListQuery,
  type ClaimPatch,
  type ClaimView,
  type NewClaim,
  NotFound,
  newId,
  type ResourceAction,
  VersionConflict,
} from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction, type Tx } from "@medvault/postgres";
import { reachablePatientKey, reaches } from "../access/access.store.ts";
import type { Context } from "../context.ts";
import { type Act, boxDetails, done, SOURCE } from "../events.ts";
import { type Page, pageOf, positionOf } from "../paging.ts";
import { type WriteAnswer, type WriteRequest, write } from "../write.ts";
import * as store from "./claim.store.ts";
import { claims as table } from "./claim.table.ts";
import { amend, CLAIM_FIELDS, type Claim, type Step, take, viewOf } from "./claim.ts";

export interface Shown {
  view: ClaimView;
  rev: number;
}

/** Whoever treats the patient hands a claim in; whoever decides on claims does the rest. */
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
  return write(
    context,
    actor,
    request,
    async (tx) => {
      const subjectKey = await reachablePatientKey(tx, actor, "claim:write", input.patientId);
      if (!subjectKey) throw new NotFound();
      const now = new Date();
      const claim: Claim = {
        ...input,
        id: newId(),
        rev: 1,
        createdBy: actor.id,
        status: "draft",
        createdAt: now,
        updatedAt: now,
        reason: null,
        source: null,
      };
      const box = table.seal(context.keyring, subjectKey, claim);
      await store.insertClaims(tx, actor, "claim:write", [claim], [box]);
      await emit(tx, SOURCE, wrote(actor, "created", "claim:write", claim, box.sealed));
      return { status: 201, body: viewOf(claim), rev: claim.rev };
    },
    readAct,
  );
}

/** One claim. Throws NotFound. */
export async function readClaim(context: Context, actor: Actor, id: string): Promise<Shown> {
  const claim = await store.findClaim(context.pool, context, actor, "claim:read", id);
  if (!claim) throw new NotFound();
  const view = viewOf(claim);
  await context.appender.append(done(actor, readAct(view)));
  return { view, rev: claim.rev };
}

/** A page of what the caller may see, changed last first. Throws NotFound for a patient whom they may not know of. */
export async function listClaims(
  context: Context,
  actor: Actor,
  query: ClaimListQuery,
): Promise<Page<ClaimView>> {
  const { limit, cursor, ...filter } = query;
  if (filter.patientId && !(await reaches(context.pool, actor, "claim:read", filter.patientId, null))) {
    throw new NotFound();
  }
  const bound = ["claims", filter];
  const after = positionOf(cursor, bound);
  const rows = await store.listClaims(context.pool, context, actor, filter, after, limit + 1);
  const page = pageOf(rows, limit, bound, (claim) => ({ at: claim.updatedAt.toISOString(), id: claim.id }));
  await context.appender.append(
    done(actor, {
      noun: "claim",
      verb: "listed",
      permission: "claim:read",
      subject: "claims",
      patientIds: page.items.map((claim) => claim.patientId),
      fields: CLAIM_FIELDS,
      details: { count: page.items.length },
    }),
  );
  return { ...page, items: page.items.map(viewOf) };
}

/** Changes a draft. Throws NotFound, VersionConflict, InvalidTransition. */
export function amendClaim(
  context: Context,
  actor: Actor,
  id: string,
  patch: ClaimPatch,
  expectedRev: number | null,
): Promise<Shown> {
  return inTransaction(context.pool, async (tx) => {
    const claim = await change(tx, context, actor, id, "claim:write", "updated", expectedRev, (found) =>
      amend(found, patch, new Date()),
    );
    return { view: viewOf(claim), rev: claim.rev };
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
  return write(
    context,
    actor,
    request,
    async (tx) => {
      const claim = await change(
        tx,
        context,
        actor,
        id,
        STEP_PERMISSION[step],
        STEP_VERB[step],
        expectedRev,
        (found) => take(step, found, reason, new Date()),
      );
      return { status: 200, body: viewOf(claim), rev: claim.rev };
    },
    readAct,
  );
}

async function change(
  tx: Tx,
  context: Context,
  actor: Actor,
  id: string,
  permission: "claim:write" | "claim:decide",
  verb: string,
  expectedRev: number | null,
  next: (claim: Claim) => Claim,
): Promise<Claim> {
  const found = await store.findClaimForUpdate(tx, context, actor, permission, id);
  if (!found) throw new NotFound();
  if (expectedRev !== null && expectedRev !== found.claim.rev) throw new VersionConflict();
  const claim = next(found.claim);
  const box = table.seal(context.keyring, found.subjectKey, claim);
  if (!(await store.updateClaim(tx, actor, permission, claim, box))) throw new VersionConflict();
  await emit(tx, SOURCE, wrote(actor, verb, permission, claim, box.sealed));
  return claim;
}

function wrote(actor: Actor, verb: string, permission: ResourceAction, claim: Claim, sealed: Buffer) {
  return done(actor, {
    ...readAct(viewOf(claim)),
    verb,
    permission,
    details: { ...boxDetails(claim.rev, table.boxHash(sealed)), status: claim.status },
  });
}

function readAct(view: ClaimView): Act {
  return {
    noun: "claim",
    verb: "read",
    permission: "claim:read",
    subject: `claim/${view.id}`,
    patientIds: [view.patientId],
    fields: CLAIM_FIELDS,
  };
}
