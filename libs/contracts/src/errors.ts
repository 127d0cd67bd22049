import { PROBLEM_CODES, type ProblemCode } from "./problem-codes.ts";

/** The one place where a kind of error becomes an HTTP status. */
export const STATUS_OF_KIND = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  not_acceptable: 406,
  request_timeout: 408,
  conflict: 409,
  gone: 410,
  precondition_failed: 412,
  too_large: 413,
  uri_too_long: 414,
  unsupported_media_type: 415,
  range_not_satisfiable: 416,
  unprocessable: 422,
  rate_limited: 429,
  internal: 500,
  bad_gateway: 502,
  unavailable: 503,
  gateway_timeout: 504,
} as const;
/** What went wrong, for the caller. */
export type ErrorKind = keyof typeof STATUS_OF_KIND;

/** The detail that a caller reads when an error brings none of its own. */
export const DETAIL_OF_KIND: Readonly<Record<ErrorKind, string>> = {
  invalid: "The request is not valid.",
  unauthenticated: "Sign in first.",
  forbidden: "This is not allowed.",
  method_not_allowed: "This method is not allowed here.",
  not_found: "Not found, or not visible to you.",
  not_acceptable: "The answer does not come in the format that was asked for.",
  gone: "It was deleted.",
  request_timeout: "The request took too long to arrive.",
  conflict: "The request conflicts with the present state.",
  precondition_failed: "The resource has changed since it was read. Read it again, then repeat the change.",
  too_large: "The request is too large.",
  uri_too_long: "The request's path or query is too long.",
  unsupported_media_type: "This content type is not accepted here.",
  range_not_satisfiable: "The requested range cannot be served.",
  unprocessable: "The request is understood but cannot be carried out.",
  rate_limited: "Too many requests. Try again later.",
  internal: "Something went wrong. It has been noted.",
  bad_gateway: "A part of the system did not answer properly.",
  unavailable: "This is not available at the moment. Try again shortly.",
  gateway_timeout: "A part of the system did not answer in time.",
};

/**
 * One fault of an input: `path` in dots (`items.0.name`), `message` free of the value itself; with
 * `code` (default `invalid`) and `params` a client says it in its own words.
 */
export interface FieldFault {
  path: string;
  code?: string;
  message: string;
  /** What the field must keep to: `{ minimum: 1 }`. */
  params?: Record<string, string | number>;
}

export interface AppErrorOptions {
  retryAfterSeconds?: number;
  errors?: FieldFault[];
  /** For the log only; never shown. */
  cause?: unknown;
}

/**
 * The base of every refusal: a class with a stable code. Most are declared by `refusal`. `detail`
 * is shown to the caller: no value, no name, nothing internal.
 */
export abstract class AppError extends Error {
  abstract readonly code: string;
  abstract readonly kind: ErrorKind;
  readonly retryAfterSeconds: number | undefined;
  readonly errors: FieldFault[] | undefined;

  constructor(detail?: string, options: AppErrorOptions = {}) {
    super(detail ?? "", options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.errors = options.errors;
  }
}

/**
 * Declares a refusal whose text is fixed; its code says its kind:
 *
 *     class SlotTaken extends refusal("slot_taken", "This time is taken. Choose another.") {}
 */
export function refusal<const C extends ProblemCode>(code: C, detail?: string, options?: AppErrorOptions) {
  return class extends AppError {
    readonly code: C = code;
    readonly kind: (typeof PROBLEM_CODES)[C] = PROBLEM_CODES[code];
    constructor(given = detail) {
      super(given, options);
    }
  };
}

/** 400: the input breaks its schema. `errors` names every fault. */
export class InvalidInput extends AppError {
  readonly code: string = "invalid_input";
  readonly kind = "invalid";
  constructor(detail?: string, errors?: FieldFault[]) {
    super(detail, errors ? { errors } : {});
  }
}

/** 401: nobody is signed in, or the credential is not accepted. */
export class Unauthenticated extends AppError {
  readonly code: string = "unauthenticated";
  readonly kind = "unauthenticated";
}

/** 403: known, but not allowed. */
export class Forbidden extends AppError {
  readonly code: string = "forbidden";
  readonly kind = "forbidden";
}

/** 404: not there, or not there for this caller; the two look alike. */
export class NotFound extends AppError {
  readonly code: string = "not_found";
  readonly kind = "not_found";
}

/** 412: `If-Match` names another version than the present one. */
export class VersionConflict extends refusal("version_conflict") {}

/** 422: an `Idempotency-Key` came again with another body. */
export class IdempotencyKeyReused extends refusal(
  "idempotency_key_reused",
  "This Idempotency-Key was used with another request. Use a new key.",
) {}

/** 409: the same `Idempotency-Key` is being worked on at this moment. */
export class RequestInProgress extends refusal(
  "request_in_progress",
  "The same request is still being worked on. Try again shortly.",
  { retryAfterSeconds: 1 },
) {}

/** 403: the action requires a sign-in that is at most 10 minutes old. */
export class StepUpRequired extends refusal(
  "step_up_required",
  "Confirm who you are first: POST /v1/auth/step-up.",
) {}

/** 403: an unsafe call of a cookie session that its own page seems not to have made. */
export class CsrfFailed extends refusal(
  "csrf_failed",
  "Send the session's csrfToken as X-CSRF-Token, from its own page.",
) {}

/** 503: something behind is away; `Retry-After` says when to come back. */
export class Unavailable extends AppError {
  readonly code: string = "unavailable";
  readonly kind = "unavailable";
  constructor(detail?: string, retryAfterSeconds = 2, options: Pick<AppErrorOptions, "cause"> = {}) {
    super(detail, { ...options, retryAfterSeconds });
  }
}

/** 503: a disk or a store takes nothing more for now; nothing of the request was kept. */
export class StorageFull extends refusal(
  "storage_full",
  "The storage is full at the moment, and nothing of this request was kept. Try again later.",
  { retryAfterSeconds: 10 },
) {}

/** 503: a restore is replacing what was to be written. */
export class RestoreInProgress extends refusal(
  "restore_in_progress",
  "A restore is replacing the data. Nothing was changed; try again once it has ended.",
  { retryAfterSeconds: 5 },
) {}

/** 503: the clocks of two machines differ so much that one refuses what the other signed. */
export class ClockSkew extends refusal(
  "clock_skew",
  "The clocks of this system's machines differ too much. Try again once its operators have set them.",
  { retryAfterSeconds: 10 },
) {}

/** 503: what the search needs for a full answer is not in memory yet; `percent` of it is. */
export class SearchLoading extends refusal("search_loading", undefined, { retryAfterSeconds: 2 }) {
  constructor(percent: number) {
    super(
      `The search is being loaded (${percent} % so far) and could not answer in full yet. Try again shortly.`,
    );
  }
}

/** 503: what the search needs for a full answer does not fit into its memory. */
export class SearchMemoryFull extends refusal(
  "search_memory_full",
  "The search has no memory left to answer this in full. Ask the operators to raise MEDVAULT_SEARCH_MEMORY_MIB.",
  { retryAfterSeconds: 60 },
) {}

/** 406: FHIR is JSON here. */
export class NotAcceptable extends refusal(
  "not_acceptable",
  "FHIR resources come as JSON here: ask for application/fhir+json.",
) {}

/** 413: a body, file or header beyond its limit. */
export class TooLarge extends refusal("too_large") {}

/** 415: a content type that is not accepted here. */
export class UnsupportedMediaType extends refusal("unsupported_media_type") {}

/** 415 for a body with a Content-Encoding: what it would unpack to is unknown. */
export const compressedBody = () =>
  new UnsupportedMediaType(
    "A compressed body is not accepted. Send it as it is, without a Content-Encoding header.",
  );

/** 429: over a rate limit. */
export class RateLimited extends AppError {
  readonly code: string = "rate_limited";
  readonly kind = "rate_limited";
  constructor(detail?: string, retryAfterSeconds = 60) {
    super(detail, { retryAfterSeconds });
  }
}
