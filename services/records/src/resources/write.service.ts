import { type Actor, NotFound } from "@medvault/contracts";
import { answerToKeep, idempotent, type Answer as KeptAnswer, replayHeaders } from "@medvault/keys";
import type { Tx } from "@medvault/postgres";
import type { Answer, WriteRequest } from "@medvault/service-kit";
import { chartInReach, isRowClosed } from "../access/access.store.ts";
import { outOfReach } from "../access/chart.service.ts";
import type { Context } from "../context.ts";
import { about } from "./refusal.service.ts";
import { type Act, done } from "./resource.events.ts";

/** What a write leaves: the status, the answer and, where that is one resource, its revision. */
interface Written<View> {
  status: number;
  body: View;
  rev?: number;
}

export const etagOf = ({ rev }: { rev: number }): { ETag: string } => ({ ETag: `"${rev}"` });

/** What keeps the answer of a write of one statement, made by this actor's request. */
export const keptFor = (
  { pool, keyring }: Context,
  actor: Actor,
  request: WriteRequest,
  answer: KeptAnswer<unknown>,
) => answerToKeep(pool, keyring, { actorId: actor.id, ...request }, answer);

/**
 * Runs a write in one transaction, once per Idempotency-Key. A repeated answer shows PHI once more,
 * and so is an act of its own: `replay` says which, the actor must still reach its patient, and its
 * event is durable before the answer leaves. Throws what `work` and libs/keys' `idempotent` throw,
 * and NotFound.
 */
export async function write<View>(
  context: Context,
  actor: Actor,
  request: WriteRequest,
  work: (tx: Tx) => Promise<Written<View>>,
  replay: (body: View) => Act,
): Promise<Answer<View>> {
  const answer = await idempotent<View>(
    context.pool,
    context.keyring,
    { actorId: actor.id, ...request },
    async (tx) => {
      const { status, body, rev } = await work(tx);
      return rev === undefined ? { status, body } : { status, body, headers: etagOf({ rev }) };
    },
    async (first) => {
      const act = replay(first.body);
      for (const patientId of act.patientIds ?? []) {
        if (!(await chartInReach(context.pool, actor, act.permission, patientId)))
          throw about(await outOfReach(context.pool, actor, act.permission, patientId), patientId);
        if (await isRowClosed(context.pool, actor, act.permission, patientId, act.subject))
          throw about(new NotFound(), patientId);
      }
      await context.appender.append(done(actor, { ...act, details: { ...act.details, replayed: true } }));
    },
  );
  const { status, body, headers } = answer;
  return { status, body, headers: { ...headers, ...replayHeaders(answer) } };
}
