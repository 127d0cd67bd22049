import { AppError, Unavailable } from "@medvault/contracts";

/** 502: the service broke off, or answered something that is no HTTP. */
class BadGateway extends AppError {
  readonly code = "bad_gateway";
  readonly kind = "bad_gateway";
  constructor(options: { cause: unknown }) {
    super(undefined, { ...options, retryAfterSeconds: 2 });
  }
}

/** 504: the service took too long to begin its answer. */
class GatewayTimeout extends AppError {
  readonly code = "gateway_timeout";
  readonly kind = "gateway_timeout";
  constructor(options: { cause: unknown }) {
    super(undefined, { ...options, retryAfterSeconds: 2 });
  }
}

/** The service has not begun its answer in the time that it had. */
export class AnswerTimeout extends Error {
  override readonly name = "AnswerTimeout";
}

/** The client went away before its answer. Not the service's fault. */
export class ClientGone extends Error {
  override readonly name = "ClientGone";
}

/** The client stopped reading its answer. Not the service's fault either. */
export class SlowReader extends Error {
  override readonly name = "SlowReader";
}

const CONNECTION_FAULTS: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "UND_ERR_SOCKET",
]);

const NEVER_REACHED: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "UND_ERR_CONNECT_TIMEOUT",
  "EOPENBREAKER",
]);

/** Whether the connection failed, or there was none: not a timeout, not a broken answer. */
export function isConnectionFault(error: unknown): boolean {
  return CONNECTION_FAULTS.has(codeOf(error));
}

/** Whether a service said nothing in its time. */
export function isTimeout(error: unknown): boolean {
  if (error instanceof AnswerTimeout) return true;
  return codeOf(error) === "UND_ERR_HEADERS_TIMEOUT" || (error as Error | null)?.name === "TimeoutError";
}

/** The error for a failed call: 503 for a service that is away, 504 or 502 for one that failed. */
export function upstreamError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const cause = { cause: error };
  if (NEVER_REACHED.has(codeOf(error))) return new Unavailable(undefined, 2, cause);
  if (isTimeout(error)) return new GatewayTimeout(cause);
  return new BadGateway(cause);
}

/** The code of a system's or of undici's error, or "". */
export function codeOf(error: unknown): string {
  return error instanceof Error ? String((error as Error & { code?: unknown }).code ?? "") : "";
}
