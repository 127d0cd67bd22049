import { AppError, Unavailable } from "@medvault/contracts";

/** 502: the service broke off, or answered something that is no HTTP. */
class BadGateway extends AppError {
  readonly code = "bad_gateway";
  readonly kind = "bad_gateway";
}

/** 504: the service took too long to begin its answer. */
class GatewayTimeout extends AppError {
  readonly code = "gateway_timeout";
  readonly kind = "gateway_timeout";
}

/** The client is gone: nobody is left to answer. Not a fault of the service's. */
export class ClientGone extends Error {
  override readonly name = "ClientGone";
}

const NEVER_REACHED: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "UND_ERR_CONNECT_TIMEOUT",
  "EOPENBREAKER",
]);

/** Whether the request cannot have reached the service, so that it may be sent again. */
export function neverReached(error: unknown): boolean {
  return NEVER_REACHED.has(codeOf(error));
}

/** What the caller is told of a call that failed: 503 for a service that is away, 504 or 502 for one that failed. */
export function upstreamError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const cause = { cause: error };
  if (neverReached(error)) return new Unavailable(undefined, 2, cause);
  if (codeOf(error) === "UND_ERR_HEADERS_TIMEOUT") return new GatewayTimeout(undefined, cause);
  return new BadGateway(undefined, cause);
}

function codeOf(error: unknown): string {
  return error instanceof Error ? String((error as Error & { code?: unknown }).code ?? "") : "";
}
