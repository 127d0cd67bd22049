import { type Actor, type AppError, errorEvent, Id, type NewEvent } from "@medvault/contracts";
import { refusalOf } from "@medvault/service-kit";
import type { ErrorRequestHandler, Request } from "express";
import type { Context } from "../context.ts";

const NOUNS: Readonly<Record<string, string>> = {
  patients: "patient",
  records: "record",
  prescriptions: "prescription",
  claims: "claim",
  Patient: "patient",
};

/** Kinds of failure of an act that was allowed: the state was not what it wanted. */
const FAILURES: ReadonlySet<string> = new Set(["conflict", "precondition_failed", "unprocessable"]);

/**
 * The event of a refusal, which says what was asked for and never whether it exists. A patient's id counts as named
 * when the path or the query names it, so that the patient sees who tried.
 */
function refusedEvent(req: Request, actor: Actor | null, error: { code: string; kind: string }): NewEvent {
  const { subject, patientIds } = namedBy(req);
  return errorEvent(actor, error, {
    noun: "medvault.records.request",
    subject,
    action: `${req.method.toLowerCase()}:${req.path.split("/")[2]?.replace(/[^A-Za-z0-9]/g, "") ?? "unknown"}`,
    patientIds,
  });
}

/** Records each 401, 403, 404 and 500 before it is answered; the internal question is recorded by who asked it. */
export function refusalRecorder(context: Context) {
  return async (req: Request, actor: Actor | null, error: AppError): Promise<void> => {
    if (req.path.startsWith("/internal/")) return;
    await context.appender.append(refusedEvent(req, actor, error));
  };
}

/** Records conflicts, stale revisions and misused keys, then hands them on to be answered. */
export function failureRecorder(context: Context, actorOf: (req: Request) => Actor): ErrorRequestHandler {
  return async (thrown: unknown, req, _res, next) => {
    const { refusal } = refusalOf(thrown);
    if (FAILURES.has(refusal.kind)) {
      await context.appender.append(refusedEvent(req, actorOf(req), refusal));
    }
    next(thrown);
  };
}

function namedBy(req: Request): { subject: string; patientIds: string[] } {
  const parts = req.path.split("/");
  const at = parts.findIndex((part) => Object.hasOwn(NOUNS, part));
  const noun = NOUNS[parts[at] ?? ""];
  const id = Id.safeParse(parts[at + 1]).data;
  const query = Id.safeParse(req.query.patientId).data;
  const body = Id.safeParse(bodyOf(req)?.patientId).data;
  const patientIds = [noun === "patient" ? id : undefined, query, body].filter((one) => one !== undefined);
  return { subject: noun && id ? `${noun}/${id}` : (noun ?? "request"), patientIds };
}

/** A body of another type than JSON cannot be looked at. */
function bodyOf(req: Request): Record<string, unknown> | undefined {
  try {
    return req.body as Record<string, unknown> | undefined;
  } catch {
    return undefined;
  }
}
