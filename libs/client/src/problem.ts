import type { Problem, ProblemCode } from "./schema.ts";

/** A problem (RFC 9457). `code` is stable; quote `requestId` to the operators of this MedVault. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly status: number;
  /** `unknown` where something between answered, and not MedVault. */
  readonly code: ProblemCode | "unknown";
  readonly requestId: string;
  /** The faults of an input: their paths, and what is wrong, never the values. */
  readonly errors: readonly { path: string; message: string }[];
  /** When to try again; null where the answer does not say. */
  readonly retryAfterMs: number | null;

  constructor(status: number, headers: Headers, body: Partial<Problem>) {
    super(body.detail ?? `The gateway answered ${status}.`);
    this.status = status;
    this.code = (body.code as ProblemCode | undefined) ?? "unknown";
    this.requestId = body.requestId ?? headers.get("x-request-id") ?? "";
    this.errors = body.errors ?? [];
    this.retryAfterMs = retryAfterMs(headers);
  }
}

/** No answer: the connection failed, or it took longer than the time limit. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
  readonly reason: "unreachable" | "timeout";

  constructor(reason: "unreachable" | "timeout", cause: unknown) {
    super(reason === "timeout" ? "No answer came in time." : "The server does not answer.", { cause });
    this.reason = reason;
  }
}

/** The problem that an answer holds; its body is read. */
export async function problemOf(response: Response): Promise<ProblemError> {
  const body: unknown = await response.json().catch(() => null);
  const problem = typeof body === "object" && body !== null ? body : {};
  return new ProblemError(response.status, response.headers, problem);
}

/** `Retry-After` in milliseconds: seconds or a date (RFC 9110, 10.2.3). */
function retryAfterMs(headers: Headers): number | null {
  const value = headers.get("retry-after");
  if (value === null) return null;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : null;
}
