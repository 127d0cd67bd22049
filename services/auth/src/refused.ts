import { type Actor, type AppError, errorEvent, type NewEvent } from "@medvault/contracts";

/** The event of an error that no use case knew more about: by route pattern, never by the path that was typed. */
export function refusedEvent(actor: Actor | null, method: string, route: unknown, error: AppError): NewEvent {
  return errorEvent(actor, error, {
    noun: "medvault.auth.request",
    subject: actor?.sessionId ? `session/${actor.sessionId}` : "request",
    action: "auth:request",
    details: { method, route: typeof route === "string" ? route : "none" },
  });
}
