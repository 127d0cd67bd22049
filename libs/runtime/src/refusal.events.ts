import {
  type Actor,
  type AppError,
  errorEvent,
  Id,
  type NewEvent,
  ROLES,
  type RouteDoc,
  resourceOf,
} from "@medvault/contracts";
import { matchedRoute } from "@medvault/service-kit";
import type { Request } from "express";

/** An error that knows its patient, for a request that names none. */
type AboutPatient = AppError & { readonly patientId?: string | undefined };

/**
 * The event of a refused or failed request, `medvault.<service>.<noun>.denied|failed.v1`: what was
 * asked for, by the document of its route. It names the patient that path, query or body names, or
 * whose row was asked for (`patientId` of the error), so that they see who tried.
 */
export function refusalEvent(
  service: string,
  noun: string,
  req: Request,
  actor: Actor | null,
  error: AppError,
): NewEvent {
  const matched = matchedRoute(req);
  const doc = matched?.doc ?? null;
  const id = Id.safeParse(matched?.params.id).data;
  const resource = (doc && resourceOf(doc)) ?? (noun === "request" ? undefined : noun);
  return errorEvent(actor, error, {
    noun: `medvault.${service}.${noun}`,
    subject: resource
      ? [resource, id ?? roleOf(matched?.params.role)].filter(Boolean).join("/")
      : sessionOf(actor),
    action: doc?.permission ?? `${service}:request`,
    patientIds: patientIds(req, doc, id, error),
    details: { method: req.method, route: doc?.path ?? "none" },
  });
}

/** Roles are named, and have no id. Anything else that was typed there is in no event. */
function roleOf(typed: unknown): string | undefined {
  return ROLES.find((role) => role === typed);
}

function sessionOf(actor: Actor | null): string {
  return actor?.sessionId ? `session/${actor.sessionId}` : "request";
}

function patientIds(
  req: Request,
  doc: RouteDoc | null,
  id: string | undefined,
  error: AboutPatient,
): string[] {
  const named = [
    doc && resourceOf(doc) === "patient" ? id : undefined,
    Id.safeParse(req.query.patientId).data,
    Id.safeParse(bodyOf(req)?.patientId).data,
    error.patientId,
  ];
  return [...new Set(named.filter((one) => one !== undefined))];
}

/** A body of another type than JSON cannot be looked at. */
function bodyOf(req: Request): Record<string, unknown> | undefined {
  try {
    return req.body as Record<string, unknown> | undefined;
  } catch {
    return undefined;
  }
}
