import { type Actor, type AppError, deniedEvent, type NewEvent } from "@medvault/contracts";

/** The event of a refusal that no use case knew more about: by route pattern, never by the path that was typed. */
export function refusedEvent(actor: Actor | null, method: string, route: unknown, error: AppError): NewEvent {
  return deniedEvent(actor, {
    type: "medvault.auth.request.denied.v1",
    subject: actor?.sessionId ? `session/${actor.sessionId}` : "request",
    action: "auth:request",
    reason: error.code,
    details: { method, route: typeof route === "string" ? route : "none" },
  });
}
