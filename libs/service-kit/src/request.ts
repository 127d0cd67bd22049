import { randomUUID } from "node:crypto";
import {
  type Actor,
  InvalidInput,
  type Part,
  PURPOSE_HEADER,
  PURPOSES,
  REQUEST_ID_HEADER,
} from "@medvault/contracts";
import { context, trace } from "@opentelemetry/api";
import type { Request, Response } from "express";
import type { Asserted } from "./assertions.ts";

const REQUEST_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

interface Context {
  requestId: string;
  traceparent: string | null;
  claims?: Asserted;
  actor?: Actor;
  route?: string;
  sessionId?: string;
}
/** On the request itself: a WeakMap of all requests is work for each garbage collection. */
const CONTEXT = Symbol("context");
interface WithContext {
  [CONTEXT]?: Context;
}

/** Gives each request its id: the caller's if well-formed, else a random UUID; answers show it. */
export function beginRequest(req: Request, res: Response): void {
  const given = req.get(REQUEST_ID_HEADER);
  const requestId = given && REQUEST_ID.test(given) ? given : randomUUID();
  const parent = req.get("traceparent");
  (req as WithContext)[CONTEXT] = {
    requestId,
    traceparent: activeTraceparent() ?? (parent && TRACEPARENT.test(parent) ? parent : null),
  };
  res.setHeader("X-Request-Id", requestId);
}

/** The id of this request, as the answer shows it. */
export function requestIdOf(req: Request): string {
  return contextOf(req).requestId;
}

/** W3C trace context to pass on: of the running span, else the caller's if well-formed, or null. */
export function traceparentOf(req: Request): string | null {
  return contextOf(req).traceparent;
}

/** Notes the template of the request's path (`/v1/patients/{id}`), by which telemetry names it. */
export function noteRoute(req: Request, template: string): void {
  const begun = (req as WithContext)[CONTEXT];
  if (begun) begun.route = template;
}

/** Notes the session that a request came with, where no assertion says it. */
export function noteSession(req: Request, sessionId: string): void {
  contextOf(req).sessionId = sessionId;
}

/** The id of the session that a request came with, once that is known; null for none. */
export function sessionIdOf(req: Request): string | null {
  const { actor, sessionId } = contextOf(req);
  return actor?.sessionId ?? sessionId ?? null;
}

/** The trace that a request belongs to, for log lines; undefined for none. */
export function traceIdOf(req: Request): string | undefined {
  return contextOf(req).traceparent?.slice(3, 35);
}

/** The template of the matched route; `none` for no match, so that callers make no new names. */
export function routeOf(req: Request): string {
  const noted = contextOf(req).route;
  if (noted !== undefined) return noted;
  const path: unknown = req.route?.path;
  return typeof path === "string" ? `${req.baseUrl}${path}` : "none";
}

/** Remembers who asks, once the assertion is verified. */
export function setClaims(req: Request, claims: Asserted): void {
  const ctx = contextOf(req);
  const purpose = purposeOf(req);
  ctx.claims = claims;
  ctx.actor = {
    id: claims.sub,
    role: claims.role,
    sessionId: claims.sid,
    permissions: claims.permissions,
    authTime: claims.auth_time,
    amr: claims.amr,
    ip: claims.ip,
    userAgent: claims.ua,
    requestId: ctx.requestId,
    purpose,
    traceparent: ctx.traceparent,
  };
}

/** Throws InvalidInput for an unknown purpose: its sender would believe it to be recorded. */
function purposeOf(req: Request): string | null {
  const purpose = req.get(PURPOSE_HEADER);
  if (purpose === undefined) return null;
  if ((PURPOSES as readonly string[]).includes(purpose)) return purpose;
  throw new InvalidInput(undefined, [
    { path: "X-Purpose", message: `must be one of ${PURPOSES.join(", ")}` },
  ]);
}

/** The actor, or null before (or without) a verified assertion. */
export function actorOrNull(req: Request): Actor | null {
  return (req as WithContext)[CONTEXT]?.actor ?? null;
}

/** The part of the service that the assertion opens alone; null: all of it. */
export function partOf(req: Request): Part | null {
  return contextOf(req).claims?.part ?? null;
}

/** The ids of the chart that a delegation is for; none where the request came with another. */
export function delegatedCharts(req: Request): readonly string[] {
  return contextOf(req).claims?.patientIds ?? [];
}

function contextOf(req: Request): Context {
  const ctx = (req as WithContext)[CONTEXT];
  if (!ctx) throw new Error("beginRequest() must run before this");
  return ctx;
}

function activeTraceparent(): string | null {
  const span = trace.getSpan(context.active())?.spanContext();
  if (!span || !/^(?!0{32})[0-9a-f]{32}$/.test(span.traceId)) return null;
  return `00-${span.traceId}-${span.spanId}-${span.traceFlags.toString(16).padStart(2, "0")}`;
}
