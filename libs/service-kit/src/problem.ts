import { STATUS_CODES } from "node:http";
import {
  AppError,
  compressedBody,
  DETAIL_OF_KIND,
  type ErrorKind,
  type FieldFault,
  InvalidInput,
  isStorageFull,
  NotFound,
  type Problem,
  REFUSAL_HEADER,
  STATUS_OF_KIND,
  StorageFull,
  TooLarge,
  Unavailable,
  UnsupportedMediaType,
} from "@medvault/contracts";
import type { Response } from "express";
import { asksForFhir, outcomeOf } from "./operation-outcome.ts";

/** An error as callers may see it: AppError, or its shape (from libs that import no contracts). */
export interface Refusal {
  code: string;
  kind: ErrorKind;
  message: string;
  retryAfterSeconds?: number | undefined;
  errors?: FieldFault[] | undefined;
}

/** Our own answer breaks its schema at these fields: the service's fault, never the caller's. */
export class AnswerUnfit extends Error {
  override readonly name = "AnswerUnfit";
  readonly paths: readonly string[];
  constructor(paths: readonly string[]) {
    super("the answer does not fit its schema");
    this.paths = paths;
  }
}

/** The names of RFC 9110, where Node still has older ones. */
const TITLES: Readonly<Record<number, string>> = {
  ...STATUS_CODES,
  413: "Content Too Large",
  422: "Unprocessable Content",
};

/** Anything thrown, as a refusal; `unexpected` if it was none: logged, and shown as nothing. */
export function refusalOf(thrown: unknown): { refusal: Refusal; unexpected: boolean } {
  // Before all else: what says only that something is away has the full disk as its cause.
  if (isStorageFull(thrown)) return { refusal: new StorageFull(), unexpected: false };
  if (thrown instanceof AppError) return { refusal: thrown, unexpected: false };
  if (thrown instanceof Error) {
    const known = knownError(thrown as Error & Record<string, unknown>);
    if (known) return { refusal: known, unexpected: false };
  }
  return { refusal: { code: "internal_error", kind: "internal", message: "" }, unexpected: true };
}

function knownError(error: Error & Record<string, unknown>): Refusal | null {
  const { code, kind, name, type } = error;
  if (typeof code === "string" && typeof kind === "string" && Object.hasOwn(STATUS_OF_KIND, kind)) {
    return error as unknown as Refusal;
  }
  if (name === "DatabaseUnavailable") return new Unavailable();
  // body-parser's and Express' own errors (their `type`s are documented in body-parser's README)
  if (type === "entity.too.large" || type === "parameters.too.many") return new TooLarge();
  if (type === "encoding.unsupported") return compressedBody();
  if (type === "charset.unsupported") return new UnsupportedMediaType("Send JSON in UTF-8.");
  if (type === "entity.parse.failed") return new InvalidInput("The body is not valid JSON.");
  if (typeof type === "string" && (type.startsWith("request.") || type.startsWith("entity.")))
    return new InvalidInput();
  if (error instanceof URIError) return new NotFound(); // a path that does not decode
  return null;
}

/** A path of these characters is shown; anything else from a caller is not echoed. */
const SHOWN_PATH = /^[A-Za-z0-9/._~%:$-]{0,512}$/;

/** The RFC 9457 body of a refusal. `instance` is the path without its query, if it is plain. */
export function problemOf(refusal: Refusal, requestId: string, path: string): Problem {
  const status = STATUS_OF_KIND[refusal.kind];
  return {
    type: `urn:medvault:problem:${refusal.code}`,
    title: TITLES[status] ?? "",
    status,
    detail: refusal.message || DETAIL_OF_KIND[refusal.kind],
    instance: SHOWN_PATH.test(path) ? path : "",
    code: refusal.code,
    requestId,
    ...(refusal.errors?.length
      ? { errors: refusal.errors.map((fault) => ({ ...fault, code: fault.code ?? "invalid" })) }
      : {}),
  };
}

/**
 * Answers with a problem, or with an OperationOutcome where FHIR is asked for. If an answer has
 * begun, cuts it: half a body must not look whole.
 */
export function sendProblem(res: Response, refusal: Refusal, requestId: string, path: string): void {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  for (const name of ["Content-Length", "Content-Disposition", "ETag", "Accept-Ranges", "Content-Range"]) {
    res.removeHeader(name);
  }
  const problem = problemOf(refusal, requestId, path);
  if (refusal.retryAfterSeconds !== undefined)
    res.setHeader("Retry-After", String(refusal.retryAfterSeconds));
  // Tells the gateway that this comes from a service that works, and refuses this call alone.
  if (problem.status === 503 && refusal.code !== "unavailable") res.setHeader(REFUSAL_HEADER, refusal.code);
  if (problem.status === 401) res.setHeader("WWW-Authenticate", "Bearer");
  res.setHeader("Cache-Control", "no-store");
  res.status(problem.status);
  if (asksForFhir(res.req)) res.type("application/fhir+json").send(JSON.stringify(outcomeOf(problem)));
  else res.type("application/problem+json").send(JSON.stringify(problem));
}
