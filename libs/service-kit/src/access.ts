import {
  type Actor,
  Forbidden,
  type ResourceAction,
  type Scope,
  StepUpRequired,
  scopeOf,
  Unauthenticated,
} from "@medvault/contracts";
import type { Request, RequestHandler } from "express";
import { actorOrNull } from "./request.ts";

/** How recent a sign-in must be where a step-up is required. */
export const STEP_UP_SECONDS = 600;

/** What a guard requires: a permission, a session, or nothing (`guests`). */
type Requirement = ResourceAction | "session" | "guests";
const guards = new WeakMap<object, Requirement>();
const stepUps = new WeakSet<object>();
const scopes = new WeakMap<Request, Scope>();

/** Who asks, from the gateway's verified assertion. Throws Unauthenticated when there is none. */
export function actorOf(req: Request): Actor {
  const actor = actorOrNull(req);
  if (!actor) throw new Unauthenticated();
  return actor;
}

/**
 * Admits anyone who holds `resource:action` in any scope; the use case decides what the scope
 * reaches. Else 401 for a guest, 403 for anyone signed in.
 */
export function allow(resourceAction: ResourceAction): RequestHandler {
  return guard(resourceAction, (req) => {
    const actor = actorOf(req);
    const scope = scopeOf(actor, resourceAction);
    if (scope) scopes.set(req, scope);
    else throw actor.role === "guest" ? new Unauthenticated() : new Forbidden();
  });
}

/** Admits anyone signed in, whatever their permissions. */
export function requireSession(): RequestHandler {
  return guard("session", (req) => {
    const { role, sessionId } = actorOf(req);
    if (role === "guest" || role === "service" || !sessionId) throw new Unauthenticated();
  });
}

/** Marks a route as open to guests; a route without any guard does not boot. */
export function openToGuests(): RequestHandler {
  return guard("guests", (req) => {
    actorOf(req);
  });
}

/** Requires a sign-in of the last 10 minutes: 403 `step_up_required`. Used beside `allow()`. */
export function requireStepUp(): RequestHandler {
  const handler: RequestHandler = (req, _res, next) => {
    assertStepUp(actorOf(req));
    next();
  };
  stepUps.add(handler);
  return handler;
}

/** requireStepUp for a use case, where the content decides whether. Throws StepUpRequired. */
export function assertStepUp(actor: Actor): void {
  if (Date.now() / 1000 - actor.authTime > STEP_UP_SECONDS) throw new StepUpRequired();
}

/** The widest scope in which `allow()` found the permission. */
export function scopeOfRequest(req: Request): Scope {
  const scope = scopes.get(req);
  if (!scope) throw new Error("scopeOfRequest() needs allow() on the route");
  return scope;
}

function guard(requirement: Requirement, check: (req: Request) => void): RequestHandler {
  const handler: RequestHandler = (req, _res, next) => {
    check(req);
    next();
  };
  guards.set(handler, requirement);
  return handler;
}

interface Layer {
  handle: object & { stack?: Layer[] };
  route?: { path: unknown; methods: Record<string, boolean>; stack: Layer[] };
}

/**
 * Default deny, checked at boot: every route carries `allow()`, `requireSession()` or
 * `openToGuests()`, itself or on its router. Throws an error that names those that do not.
 */
export function assertEveryRouteGuarded(router: object): void {
  const bare = bareRoutes((router as { stack?: Layer[] }).stack ?? [], false);
  if (bare.length > 0) {
    throw new Error(`these routes need allow(), requireSession() or openToGuests(): ${bare.join(", ")}`);
  }
}

function bareRoutes(stack: readonly Layer[], guardedAbove: boolean): string[] {
  const bare: string[] = [];
  let guarded = guardedAbove;
  for (const layer of stack) {
    if (guards.has(layer.handle)) guarded = true;
    if (layer.route && !guarded && !layer.route.stack.some((l) => guards.has(l.handle))) {
      bare.push(`${Object.keys(layer.route.methods).join("|").toUpperCase()} ${String(layer.route.path)}`);
    }
    if (layer.handle.stack) bare.push(...bareRoutes(layer.handle.stack, guarded));
  }
  return bare;
}

export interface MountedRoute {
  method: string;
  /** OpenAPI form: `/v1/patients/{id}` */
  path: string;
  /** What the route's own guard requires; null where it has none. */
  guard: Requirement | null;
  stepUp: boolean;
}

/** The routes of a router itself, in order, for comparison with their documents. */
export function mountedRoutes(router: object): MountedRoute[] {
  return ((router as { stack?: Layer[] }).stack ?? []).flatMap(({ route }) => {
    if (!route) return [];
    const handles = route.stack.map((layer) => layer.handle);
    const guard = handles.map((handle) => guards.get(handle)).find((found) => found !== undefined) ?? null;
    const stepUp = handles.some((handle) => stepUps.has(handle));
    const path = String(route.path).replace(/[:*]([A-Za-z]+)/g, "{$1}");
    return Object.keys(route.methods).map((method) => ({
      method: method.toUpperCase(),
      path,
      guard,
      stepUp,
    }));
  });
}
