import {
  type Actor,
  type ActVerb,
  type LegalHoldView,
  type NewLegalHold,
  NotFound,
} from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction, type Tx } from "@medvault/postgres";
import type { Answer, WriteRequest } from "@medvault/service-kit";
import { chartInReach, reachablePatientKeys } from "../access/access.store.ts";
import type { Context } from "../context.ts";
import { isDamaged } from "../resources/damaged-row.ts";
import { type Act, done, SOURCE } from "../resources/resource.events.ts";
import { find, insert, lock, update } from "../resources/resource.store.ts";
import { write } from "../resources/write.service.ts";
import { deleteHolds } from "./legal-hold.store.ts";
import { type LegalHold, legalHolds } from "./legal-hold.table.ts";

const READ = "legalhold:read";
const WRITE = "legalhold:write";

type View = Omit<LegalHoldView, "placer">;

const act = (verb: ActVerb, permission: Act["permission"], patientId: string, patientIds: string[]): Act => ({
  ...{ noun: legalHolds.noun, verb, permission, subject: `patient/${patientId}`, patientIds },
  fields: verb === "lifted" ? [] : ["reason"],
});

/**
 * Keeps a chart, with all ids of it, from being erased until it is lifted; placed again, it has
 * another reason. Throws NotFound.
 */
export function placeHold(
  context: Context,
  actor: Actor,
  patientId: string,
  { reason }: NewLegalHold,
  request: WriteRequest,
): Promise<Answer<View>> {
  return write(
    context,
    actor,
    request,
    async (tx) => {
      const chart = await chartInReach(tx, actor, WRITE, patientId);
      const keys = await reachablePatientKeys(tx, actor, WRITE, chart ?? []);
      const now = new Date();
      let shown: LegalHold | undefined;
      for (const [id, subjectKey] of keys) {
        const placed = await hold(tx, context, actor, id, subjectKey, reason, now);
        shown ??= placed;
      }
      if (!shown) throw new NotFound();
      await emit(tx, SOURCE, done(actor, act("placed", WRITE, patientId, [...keys.keys()])));
      return { status: 200, body: viewOf(shown, patientId) };
    },
    () => act("read", READ, patientId, [patientId]),
  );
}

async function hold(
  tx: Tx,
  context: Context,
  actor: Actor,
  id: string,
  subjectKey: Buffer,
  reason: string,
  now: Date,
): Promise<LegalHold> {
  const former = (await lock(tx, context, actor, WRITE, legalHolds, id))?.value;
  const since = former && !isDamaged(former) ? former.createdAt : now;
  const rev = (former?.rev ?? 0) + 1;
  const value = { id, rev, patientId: id, placedBy: actor.id, createdAt: since, updatedAt: now, reason };
  const box = legalHolds.table.seal(context.keyring, subjectKey, value);
  if (former) await update(tx, context, actor, WRITE, legalHolds, value, box, former.rev);
  else await insert(tx, context, actor, WRITE, legalHolds, [value], [box]);
  return value;
}

/** Throws NotFound where there is none. */
export async function readHold(context: Context, actor: Actor, patientId: string): Promise<Answer<View>> {
  const chart = (await chartInReach(context.pool, actor, READ, patientId)) ?? [];
  for (const id of chart) {
    const found = await find(context.pool, context, actor, READ, legalHolds, id);
    if (!found) continue;
    await context.appender.append(done(actor, act("read", READ, patientId, [...chart])));
    return { body: viewOf(found as LegalHold, patientId) };
  }
  throw new NotFound();
}

/** Throws NotFound where there is none. */
export function liftHold(context: Context, actor: Actor, patientId: string): Promise<Answer<never>> {
  return inTransaction(context.pool, async (tx) => {
    const chart = (await chartInReach(tx, actor, WRITE, patientId)) ?? [];
    if (!(await deleteHolds(tx, actor, chart))) throw new NotFound();
    await emit(tx, SOURCE, done(actor, act("lifted", WRITE, patientId, [...chart])));
    return {};
  });
}

const viewOf = (value: LegalHold, patientId: string): View => ({
  patientId,
  reason: isDamaged(value as never) ? "" : value.reason,
  placedBy: value.placedBy,
  createdAt: value.createdAt.toISOString(),
  updatedAt: value.updatedAt.toISOString(),
});
