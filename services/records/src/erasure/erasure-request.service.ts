import { type Actor, type ActVerb, type ErasureState, type ErasureView, NotFound } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { type Db, inTransaction, type Tx } from "@medvault/postgres";
import type { Answer } from "@medvault/service-kit";
import { chartInReach, reachableChart } from "../access/access.store.ts";
import type { Context } from "../context.ts";
import { ErasureRequested } from "../patients/patient.errors.ts";
import { isDamaged } from "../resources/damaged-row.ts";
import { about } from "../resources/refusal.service.ts";
import { done, SOURCE } from "../resources/resource.events.ts";
import { find, insert, lock, update } from "../resources/resource.store.ts";
import { NoErasureRequested } from "./erasure.errors.ts";
import { type ErasureRequest, erasureRequests } from "./erasure-request.table.ts";

const WRITE = "erasure:write";
const HOUR_MS = 3_600_000;

type View = Omit<ErasureView, "requester" | "decider">;

/** Asks for an erasure, in the place of a former request. Throws NotFound, ErasureRequested. */
export async function requestErasure(
  tx: Tx,
  context: Context,
  actor: Actor,
  patientId: string,
  reason: string,
  hours: number,
): Promise<View> {
  const chart = await reachableChart(tx, actor, WRITE, patientId);
  if (!chart) throw new NotFound();
  const id = chart.patientId;
  const former = (await lock(tx, context, actor, WRITE, erasureRequests, id))?.value;
  if (former && stateOf(former as ErasureRequest) === "requested")
    throw about(new ErasureRequested(), patientId);
  const now = new Date();
  const value: ErasureRequest = {
    ...{ id, rev: (former?.rev ?? 0) + 1, patientId: id, requestedBy: actor.id, state: "requested" },
    ...{ decidedBy: null, createdAt: now, updatedAt: now, reason },
    expiresAt: new Date(now.getTime() + hours * HOUR_MS),
  };
  const box = erasureRequests.table.seal(context.keyring, chart.subjectKey, value);
  if (former) await update(tx, context, actor, WRITE, erasureRequests, value, box, former.rev);
  else await insert(tx, context, actor, WRITE, erasureRequests, [value], [box]);
  await emit(tx, SOURCE, event(actor, "requested", value));
  return viewOf(value, patientId);
}

/** The one that waits; held. Throws NoErasureRequested. */
export async function lockRequested(
  tx: Tx,
  context: Context,
  actor: Actor,
  patientId: string,
): Promise<ErasureRequest> {
  const [id = patientId] = (await chartInReach(tx, actor, WRITE, patientId)) ?? [];
  const found = (await lock(tx, context, actor, WRITE, erasureRequests, id))?.value;
  if (!found || isDamaged(found) || stateOf(found) !== "requested")
    throw about(new NoErasureRequested(), patientId);
  return found;
}

/** Ends one that waits: its own is withdrawn, another's refused. Throws NoErasureRequested. */
export function withdrawErasure(context: Context, actor: Actor, patientId: string): Promise<Answer<View>> {
  return inTransaction(context.pool, async (tx) => {
    const chart = await reachableChart(tx, actor, WRITE, patientId);
    if (!chart) throw new NotFound();
    const former = await lockRequested(tx, context, actor, patientId);
    const state = former.requestedBy === actor.id ? "withdrawn" : "refused";
    const value = { ...former, rev: former.rev + 1, state, decidedBy: actor.id, updatedAt: new Date() };
    const box = erasureRequests.table.seal(context.keyring, chart.subjectKey, value);
    await update(tx, context, actor, WRITE, erasureRequests, value, box, former.rev);
    await emit(tx, SOURCE, event(actor, state, value));
    return { body: viewOf(value, patientId) };
  });
}

/** What became of the latest. Throws NotFound. */
export async function readRequest(context: Context, actor: Actor, patientId: string): Promise<Answer<View>> {
  const found = await findRequest(context.pool, context, actor, patientId);
  if (!found) throw new NotFound();
  const act = { noun: "erasure", verb: "read", permission: "erasure:read" } as const;
  const whose = { subject: `patient/${found.patientId}`, patientIds: [found.patientId], fields: ["reason"] };
  await context.appender.append(done(actor, { ...act, ...whose }));
  return { body: viewOf(found, patientId) };
}

async function findRequest(
  db: Db,
  context: Context,
  actor: Actor,
  patientId: string,
): Promise<ErasureRequest | null> {
  const [id = patientId] = (await chartInReach(db, actor, "erasure:read", patientId)) ?? [];
  const found = await find(db, context, actor, "erasure:read", erasureRequests, id);
  return found && !isDamaged(found) ? found : null;
}

/** One whose time is up waits no more. */
function stateOf({ state, expiresAt }: ErasureRequest): ErasureState {
  return state === "requested" && expiresAt <= new Date() ? "expired" : (state as ErasureState);
}

const event = (actor: Actor, verb: ActVerb, { patientId, expiresAt }: ErasureRequest) =>
  done(actor, {
    ...{ noun: "erasure", verb, permission: WRITE, subject: `patient/${patientId}` },
    ...{ patientIds: [patientId], details: { expiresAt: expiresAt.toISOString() } },
  });

const viewOf = (request: ErasureRequest, patientId: string): View => ({
  patientId,
  ...{ number: null, state: stateOf(request), erasedAt: null },
  services: { records: "pending", files: "pending", auth: "pending" },
  copies: { backup: "pending" },
  requestedBy: request.requestedBy,
  decidedBy: request.decidedBy,
  expiresAt: request.expiresAt.toISOString(),
  reason: request.reason,
});
