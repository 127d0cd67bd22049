import { type Actor, type ErasureView, type NewErasure, NotFound } from "@medvault/contracts";
import { type ErasureEntry, erasureHash, erasureStatement, type SignedErasure } from "@medvault/crypto";
import { eraseSubject, forgetAnswers, signingKey } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import type { Tx } from "@medvault/postgres";
import type { Answer, WriteRequest } from "@medvault/service-kit";
import { reachOf } from "../access/reach.ts";
import type { Context } from "../context.ts";
import { about } from "../resources/refusal.service.ts";
import { done, SOURCE } from "../resources/resource.events.ts";
import { write } from "../resources/write.service.ts";
import { OnLegalHold, OwnErasureRequest } from "./erasure.errors.ts";
import { announcedEvent, erasedEvent } from "./erasure.events.ts";
import * as store from "./erasure.store.ts";
import { type Erasure, LEDGER_KEY, type Subject, viewOf } from "./erasure.ts";
import { lockRequested, readRequest, requestErasure } from "./erasure-request.service.ts";
import { isOnHold } from "./legal-hold.store.ts";

type View = Omit<ErasureView, "requester" | "decider">;

/**
 * Erases a chart, all ids of it. In one transaction: the entry of the ledger, the rows, the keys,
 * the kept answers; a write of the chart that was there first is erased too, one that comes later
 * finds nobody. Where a second person has to approve it, it is asked for. Asked again, it says what
 * became of it. Throws NotFound, OnLegalHold, ErasureRequested.
 */
export function erasePatient(
  context: Context,
  actor: Actor,
  patientId: string,
  { reason }: NewErasure,
  request: WriteRequest,
): Promise<Answer<View>> {
  return inLedger(context, actor, patientId, request, async (tx, subject) => {
    if (context.erasureApprovalHours !== null)
      return requestErasure(tx, context, actor, patientId, reason, context.erasureApprovalHours);
    return viewOf(await erase(tx, context, actor, subject, patientId), patientId);
  });
}

/**
 * Carries out what somebody else asked for. Throws NotFound, OnLegalHold, NoErasureRequested,
 * OwnErasureRequest.
 */
export function approveErasure(
  context: Context,
  actor: Actor,
  patientId: string,
  request: WriteRequest,
): Promise<Answer<View>> {
  return inLedger(context, actor, patientId, request, async (tx, subject) => {
    const { requestedBy } = await lockRequested(tx, context, actor, patientId);
    if (requestedBy === actor.id) throw about(new OwnErasureRequest(), patientId);
    return viewOf(await erase(tx, context, actor, subject, patientId, requestedBy), patientId);
  });
}

/** In the turn of merges and erasures, with the chart held; once it is erased, nothing is done. */
function inLedger(
  context: Context,
  actor: Actor,
  patientId: string,
  request: WriteRequest,
  work: (tx: Tx, subject: Subject) => Promise<View>,
): Promise<Answer<View>> {
  return write(
    context,
    actor,
    request,
    async (tx) => {
      await store.holdLedger(tx, actor);
      const former = await store.findErasure(tx, patientId);
      if (former) return { status: 202, body: viewOf(former, patientId) };
      const subject = await store.lockSubject(tx, actor, patientId);
      if (!subject) throw new NotFound();
      if (await isOnHold(tx, actor, subject.ids)) throw about(new OnLegalHold(), patientId);
      return { status: 202, body: await work(tx, subject) };
    },
    // Shows nothing of a patient, who is gone.
    () => ({ noun: "patient", verb: "erased", permission: "erasure:write", subject: `patient/${patientId}` }),
  );
}

async function erase(
  tx: Tx,
  context: Context,
  actor: Actor,
  { ids, accountId }: Subject,
  patientId: string,
  requestedBy = actor.id,
): Promise<Erasure> {
  const at = new Date();
  const before = await store.lastErasure(tx);
  const entry = await sign(tx, context, {
    number: (before?.number ?? 0) + 1,
    patientIds: ids,
    erasedAt: at.toISOString(),
    previous: before && erasureHash(before),
  });
  const rowIds = await store.deleteRows(tx, actor, ids);
  for (const id of ids) await eraseSubject(tx, context.keyring, id);
  const answers = await forgetAnswers(tx, context.keyring, new Set(rowIds));
  const counts = { rows: rowIds.length, answers, requestedBy };
  const [eventId = ""] = await emit(tx, SOURCE, erasedEvent(actor, entry, patientId, counts));
  await store.insertErasure(tx, entry, { accountId, erasedBy: actor.id, eventId });
  await store.confirmPart(tx, entry.number, "records", at, null);
  await emit(tx, SOURCE, announcedEvent(entry, accountId));
  const parts = new Map([["records", { doneAt: at, keysFinalAt: null }]]);
  return { ...entry, accountId, erasedBy: actor.id, eventId, keysDestroyedAt: null, parts };
}

async function sign(tx: Tx, { keyring }: Context, entry: ErasureEntry): Promise<SignedErasure> {
  const key = await signingKey(tx, keyring, LEDGER_KEY);
  const signature = key.sign(Buffer.from(erasureStatement(entry), "utf8")).toString("base64");
  return { ...entry, publicKey: key.publicJwk, signature };
}

/** How far it is. Throws NotFound where nobody asked for any. */
export async function readErasure(context: Context, actor: Actor, patientId: string): Promise<Answer<View>> {
  reachOf(actor, "erasure:read");
  const erasure = await store.findErasure(context.pool, patientId);
  if (!erasure) return readRequest(context, actor, patientId);
  const act = { noun: "erasure", verb: "read", permission: "erasure:read" } as const;
  const about = { subject: `erasure/${erasure.number}`, patientIds: erasure.patientIds };
  await context.appender.append(done(actor, { ...act, ...about }));
  return { body: viewOf(erasure, patientId) };
}
