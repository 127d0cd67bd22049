import { auditEvent, ClockSkew, type NewEvent, Unauthenticated, Unavailable } from "@medvault/contracts";
import type { Caller } from "../access/auth.client.ts";
import type { Context } from "../context.ts";
import { findPatients } from "../patients/patient.store.ts";
import { isDamaged } from "../resources/damaged-row.ts";
import { type Relation, relationOf } from "./relation.ts";
import type { Opened } from "./relation-watch.ts";

/** Charts that one run looks at. */
const AT_ONCE = 100;

/**
 * Looks at what those who opened a chart are to its patient, and notes it in the log, once an hour
 * for each two: `medvault.records.patient.related.v1`, for the rules of audit. All in the name of
 * who opened it, and of charts that they reach.
 */
export async function noteRelations(context: Context, now: Date, signal: AbortSignal): Promise<void> {
  for (const opened of context.relations.take(now.getTime(), AT_ONCE)) {
    if (signal.aborted) return;
    const events = await relationsOf(context, opened).catch((error: unknown) => {
      if (isAway(error)) return null; // noted again by the next act
      throw error;
    });
    if (!events) continue;
    if (events.length > 0) await context.appender.append(...events);
    for (const patientId of opened.patientIds)
      context.relations.done({ actorId: opened.caller.id, patientId }, now.getTime());
  }
}

async function relationsOf(context: Context, { caller, patientIds }: Opened): Promise<NewEvent[]> {
  const { pool, people } = context;
  const charts = await findPatients(pool, context, caller, "patient:read", patientIds);
  const actorName = (await people.namesOf(caller, [caller.id]))(caller.id);
  const events: NewEvent[] = [];
  for (const { patient } of charts) {
    if (isDamaged(patient)) continue;
    const { id, userId, familyName } = patient;
    const isColleague = await isStaffAccount(context, caller, userId);
    const relation = relationOf({ actorId: caller.id, actorName, userId, isColleague, familyName });
    if (relation) events.push(relatedEvent(caller, id, relation));
  }
  return events;
}

async function isStaffAccount({ auth }: Context, caller: Caller, userId: string | null): Promise<boolean> {
  if (userId === null || userId === caller.id) return false;
  const role = await auth.roleOf(caller, userId);
  return role !== null && role !== "patient";
}

const isAway = (error: unknown): boolean =>
  error instanceof Unavailable || error instanceof ClockSkew || error instanceof Unauthenticated;

const relatedEvent = (caller: Caller, patientId: string, relation: Relation): NewEvent =>
  auditEvent(caller, {
    type: "medvault.records.patient.related.v1",
    subject: `patient/${patientId}`,
    action: "patient:read",
    reason: relation,
    patientIds: [patientId],
  });
