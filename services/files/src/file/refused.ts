import { type Actor, errorEvent, Id, type NewEvent } from "@medvault/contracts";
import { AccessDenied } from "./access.ts";

/** What was refused, by whom; `error.code` says why. The path is only looked at for a well-formed file id. */
export function refusedEvent(
  actor: Actor | null,
  method: string,
  path: string,
  error: { code: string; kind: string },
): NewEvent {
  const id = Id.safeParse(path.split("/")[3]);
  return errorEvent(actor, error, {
    noun: "medvault.files.file",
    subject: id.success ? `file/${id.data}` : "file",
    action: ACTIONS[method] ?? "file:read",
    ...(error instanceof AccessDenied && error.patientId ? { patientIds: [error.patientId] } : {}),
  });
}

const ACTIONS: Readonly<Record<string, string>> = { POST: "file:write", DELETE: "file:delete" };
