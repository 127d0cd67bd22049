/**
 * The database cannot answer now: unreachable, restarting, full, over its connections, or slower
 * than the statement or lock limit. The fields are those of an AppError of contracts (which this
 * lib must not import), so that service-kit answers 503 with Retry-After.
 */
export class DatabaseUnavailable extends Error {
  override readonly name = "DatabaseUnavailable";
  readonly code = "unavailable";
  readonly kind = "unavailable";
  readonly retryAfterSeconds = 2;
  constructor(cause?: unknown) {
    super("The database is not available.", { cause });
  }
}

/**
 * A restore is replacing the table that was to be written; nothing was changed. The fields are as
 * above, and the text is the caller's to read.
 */
export class RestoreInProgress extends Error {
  override readonly name = "RestoreInProgress";
  readonly code = "restore_in_progress";
  readonly kind = "unavailable";
  readonly retryAfterSeconds = 5;
  constructor() {
    super("A restore is replacing the data. Nothing was changed; try again once it has ended.");
  }
}

/**
 * Whose data was to be written was erased meanwhile; nothing was changed. The fields are as above,
 * and say no more than of anyone who is not there.
 */
class SubjectErased extends Error {
  override readonly name = "SubjectErased";
  readonly code = "not_found";
  readonly kind = "not_found";
  constructor() {
    super("Not found, or not visible to you.");
  }
}

/** COMMIT was answered by ROLLBACK: a statement had failed and its error was swallowed. */
export class TransactionAborted extends Error {
  override readonly name = "TransactionAborted";
  constructor() {
    super("The transaction was rolled back: an error inside it had been swallowed.");
  }
}

/** A value of type bigint is beyond 2^53 - 1 and would lose digits as a number. */
export class UnsafeInteger extends Error {
  override readonly name = "UnsafeInteger";
  constructor() {
    super("A bigint from the database does not fit a number without loss.");
  }
}

/** What a transaction took for granted is so no more: `inTransaction` runs it again. */
export class Outdated extends Error {
  override readonly name = "Outdated";
  readonly code = "40001"; // as Postgres says it
  constructor() {
    super("What the transaction took for granted had changed.");
  }
}

// https://www.postgresql.org/docs/17/errcodes-appendix.html. 08: connection; 53: disk full, out of
// memory, too many connections; 57P0x: shutting down, crashed, starting; 57014: statement limit;
// 55P03: lock limit; 25P03: idle in transaction limit; 25006: read-only (a demoted primary).
const UNAVAILABLE_CLASSES = ["08", "53"];
const UNAVAILABLE_STATES = ["57P01", "57P02", "57P03", "57P05", "57014", "55P03", "25P03", "25006"];
const UNAVAILABLE_SYSTEM = [
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
];
// pg and pg-pool throw these without a code.
const UNAVAILABLE_MESSAGES = [
  "Connection terminated",
  "timeout exceeded when trying to connect",
  "Query read timeout",
  "not queryable",
  "Cannot use a pool after calling end",
  "Client was closed",
  "does not support SSL connections",
  "error establishing an SSL connection",
];
// Node and OpenSSL: the server's certificate is not good (any more), or there was no common ground.
const TLS_REFUSED = /^(CERT_|DEPTH_ZERO_|ERR_SSL_|ERR_TLS_|HOSTNAME_|INVALID_CA|SELF_SIGNED_|UNABLE_TO_)/;

/** What backup's trigger `refuse_write` raises. */
const WRITE_REFUSED = "MVR01";
/** What the trigger `refuse_erased_subject` raises (libs/keys). */
const SUBJECT_ERASED = "MVE01";
const SERIALIZATION_FAILURE = "40001";
const DEADLOCK_DETECTED = "40P01";

/** The SQLSTATE or system code of an error; empty where it has none. */
export function codeOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}

/** True when a transaction that failed so may succeed if it is simply run again. */
export function isRetryable(error: unknown): boolean {
  const code = codeOf(error);
  return code === SERIALIZATION_FAILURE || code === DEADLOCK_DETECTED;
}

/** True when the database is away or too slow; the error says nothing about the statement. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof DatabaseUnavailable) return true;
  if (error instanceof AggregateError) return error.errors.some(isUnavailable);
  const code = codeOf(error);
  if (UNAVAILABLE_STATES.includes(code) || UNAVAILABLE_SYSTEM.includes(code)) return true;
  if (TLS_REFUSED.test(code)) return true;
  if (code.length === 5 && UNAVAILABLE_CLASSES.includes(code.slice(0, 2))) return true;
  return error instanceof Error && UNAVAILABLE_MESSAGES.some((part) => error.message.includes(part));
}

/** True when the connection is gone or silent: not even a rollback would be answered in time. */
export function isConnectionLost(error: unknown): boolean {
  const code = codeOf(error);
  const fromServer = error instanceof Error && "severity" in error;
  if (fromServer) return code.startsWith("08") || code.startsWith("57P") || code === "25P03";
  return isUnavailable(error);
}

/** The error as callers see it: one of ours where that is what it means, else itself. */
export function toDatabaseError(error: unknown): unknown {
  if (codeOf(error) === WRITE_REFUSED) return new RestoreInProgress();
  if (codeOf(error) === SUBJECT_ERASED) return new SubjectErased();
  if (error instanceof DatabaseUnavailable || !isUnavailable(error)) return error;
  return new DatabaseUnavailable(error);
}
