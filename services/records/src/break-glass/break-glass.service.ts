import {
  type Actor,
  type BreakGlassReview,
  type BreakGlassView,
  EMERGENCY,
  type NewBreakGlass,
  NotFound,
  newId,
} from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import type { Answer, WriteRequest } from "@medvault/service-kit";
import { reachableChart } from "../access/access.store.ts";
import type { Context } from "../context.ts";
import { nextRevision } from "../resources/patient-owned.ts";
import { about } from "../resources/refusal.service.ts";
import { readAct, SOURCE, wrote } from "../resources/resource.events.ts";
import { changeOnce } from "../resources/resource.service.ts";
import { insert } from "../resources/resource.store.ts";
import { write } from "../resources/write.service.ts";
import { AlreadyReviewed, BreakGlassLimit, BreakGlassRunning, OwnBreakGlass } from "./break-glass.errors.ts";
import { countClosed, lockRunning } from "./break-glass.store.ts";
import { breakGlasses } from "./break-glass.table.ts";
import { type BreakGlass, endOf, MAX_RUNNING } from "./break-glass.ts";

/**
 * Opens a chart to the caller, as if they were on its care team, for a limited time. Throws
 * NotFound, BreakGlassRunning, BreakGlassLimit.
 */
export function breakGlass(
  context: Context,
  actor: Actor,
  patientId: string,
  { reason }: NewBreakGlass,
  request: WriteRequest,
): Promise<Answer<BreakGlassView>> {
  return write(
    context,
    actor,
    request,
    async (tx) => {
      const permission = breakGlasses.permissions.write;
      const chart = await reachableChart(tx, actor, permission, patientId);
      if (!chart) throw new NotFound();
      const running = await lockRunning(tx, actor, patientId);
      if (running.hasThis) throw about(new BreakGlassRunning(), patientId);
      if (running.count >= MAX_RUNNING) throw about(new BreakGlassLimit(), patientId);
      const closedParts = await countClosed(tx, actor, chart.patientId);
      const now = new Date();
      const value: BreakGlass = {
        ...{ id: newId(), rev: 1, patientId: chart.patientId, source: null },
        ...{ createdAt: now, updatedAt: now, expiresAt: endOf(now, context.breakGlassMinutes) },
        ...{
          userId: actor.id,
          reason,
          closedParts,
          reviewed: "none",
          note: null,
          reviewedBy: null,
          reviewedAt: null,
        },
      };
      const box = breakGlasses.table.seal(context.keyring, chart.subjectKey, value);
      await insert(tx, context, actor, permission, breakGlasses, [value], [box]);
      const details = { expiresAt: value.expiresAt.toISOString(), closedParts };
      const act = { verb: "opened", permission, purpose: EMERGENCY, details } as const;
      await emit(tx, SOURCE, wrote(actor, breakGlasses, act, value, box.sealed));
      return { status: 201, body: breakGlasses.view(value), rev: value.rev };
    },
    ({ id }) => readAct(breakGlasses, id, patientId),
  );
}

/**
 * Says whether it was justified, once. Throws NotFound, OwnBreakGlass, AlreadyReviewed,
 * VersionConflict.
 */
export function reviewBreakGlass(
  context: Context,
  actor: Actor,
  id: string,
  { reviewed, note }: BreakGlassReview,
  expectedRev: number | null,
  request: WriteRequest,
): Promise<Answer<BreakGlassView>> {
  const act = { verb: "reviewed", permission: "breakglass:review", fields: ["note"] } as const;
  const next = (found: BreakGlass): BreakGlass => {
    if (found.userId === actor.id) throw new OwnBreakGlass();
    if (found.reviewed !== "none") throw new AlreadyReviewed();
    const now = new Date();
    const review = { reviewed, note: note ?? null, reviewedBy: actor.id, reviewedAt: now };
    return nextRevision(found, review, now);
  };
  return changeOnce(context, actor, breakGlasses, id, expectedRev, act, next, request);
}
