import {
  type Actor,
  type AppError,
  errorEvent,
  Id,
  type NewEvent,
  type RouteDoc,
  resourceOf,
} from "@medvault/contracts";
import { matchedRoute } from "@medvault/service-kit";
import type { Request } from "express";

/** An error that knows its patient, for a request that names none. */
type AboutPatient = AppError & { readonly patientId?: string | undefined };

/**
 * The event of a refused or failed request, `medvault.<service>.<noun>.denied|failed.v1`: what was
 * asked for, by the document of its route, never whether that exists. It names the patient that
 * path, query or body names, so that they see who tried.
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
    subject: resource ? (id ? `${resource}/${id}` : resource) : sessionOf(actor),
    action: doc?.permission ?? `${service}:request`,
    patientIds: patientIds(req, doc, id, error),
    details: { method: req.method, route: doc?.path ?? "none" },
  });
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
  return named.filter((one) => one !== undefined);
}

/** A body of another type than JSON cannot be looked at. */
function bodyOf(req: Request): Record<string, unknown> | undefined {
  try {
    return req.body as Record<string, unknown> | undefined;
  } catch {
    return undefined;
  }
}
