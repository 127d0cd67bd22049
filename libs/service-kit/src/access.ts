import {
  type Actor,
  Forbidden,
  needsSession,
  type RouteDoc,
  StepUpRequired,
  scopeOf,
  Unauthenticated,
} from "@medvault/contracts";
import type { Request } from "express";
import { actorOrNull } from "./request.ts";

/** How recent a sign-in must be where a step-up is required. */
const STEP_UP_SECONDS = 600;

/** Who asks, from the gateway's verified assertion. Throws Unauthenticated when there is none. */
export function actorOf(req: Request): Actor {
  const actor = actorOrNull(req);
  if (!actor) throw new Unauthenticated();
  return actor;
}

/**
 * Refuses an actor whom a route's document does not admit: 401 for a guest, 403 for anyone signed
 * in. It admits who holds its permission (in any scope, unless it names one: the use case decides
 * what that reaches); where it names none, anyone with a session, or anyone at all.
 */
export function requireAdmission(doc: RouteDoc, actor: Actor): void {
  const isGuest = actor.role === "guest";
  if (doc.permission) {
    const scope = scopeOf(actor, doc.permission);
    if (!scope || (doc.scope && scope !== doc.scope)) throw isGuest ? new Unauthenticated() : new Forbidden();
  } else if (needsSession(doc) && (isGuest || actor.role === "service" || !actor.sessionId)) {
    throw new Unauthenticated();
  }
  if (doc.stepUp) assertStepUp(actor);
}

/** Requires a sign-in of the last 10 minutes. Throws StepUpRequired. */
export function assertStepUp(actor: Actor): void {
  if (Date.now() / 1000 - actor.authTime > STEP_UP_SECONDS) throw new StepUpRequired();
}
