import type { ErrorKind } from "./errors.ts";

/**
 * Every code that a caller may read in a problem, and its kind of error, which fixes the status. A
 * test compares this with the error classes of all services.
 */
export const PROBLEM_CODES = {
  invalid_input: "invalid",
  inline_refused: "invalid",
  passkey_rejected: "invalid",
  password_unchanged: "invalid",
  purpose_required: "invalid",
  request_screened: "invalid",
  token_invalid: "invalid",
  weak_password: "invalid",

  unauthenticated: "unauthenticated",
  invalid_code: "unauthenticated",
  invalid_credentials: "unauthenticated",
  invalid_passkey: "unauthenticated",
  mfa_token_invalid: "unauthenticated",
  passkey_challenge_invalid: "unauthenticated",
  passkey_suspended: "unauthenticated",
  refresh_reused: "unauthenticated",

  csrf_failed: "forbidden",
  forbidden: "forbidden",
  mfa_enrollment_required: "forbidden",
  mfa_required_for_role: "forbidden",
  step_up_required: "forbidden",

  not_found: "not_found",
  method_not_allowed: "method_not_allowed",

  backup_not_complete: "conflict",
  backup_running: "conflict",
  email_taken: "conflict",
  invalid_transition: "conflict",
  last_admin: "conflict",
  mfa_not_enabled: "conflict",
  mfa_setup_missing: "conflict",
  passkey_known: "conflict",
  passkey_limit: "conflict",
  patient_ambiguous: "conflict",
  refresh_superseded: "conflict",
  request_in_progress: "conflict",
  restore_running: "conflict",
  role_protected: "conflict",
  row_damaged: "conflict",
  session_limit_reached: "conflict",
  too_many_versions: "conflict",
  user_already_linked: "conflict",
  username_taken: "conflict",
  verification_running: "conflict",
  would_lock_out: "conflict",

  request_timeout: "request_timeout",
  version_conflict: "precondition_failed",
  quota_exceeded: "too_large",
  too_large: "too_large",
  uri_too_long: "uri_too_long",
  content_mismatch: "unsupported_media_type",
  unsupported_media_type: "unsupported_media_type",
  range_not_satisfiable: "range_not_satisfiable",
  idempotency_key_reused: "unprocessable",
  login_locked: "rate_limited",
  rate_limited: "rate_limited",
  too_many_patients: "rate_limited",

  audit_log_damaged: "internal",
  content_damaged: "internal",
  internal_error: "internal",

  bad_gateway: "bad_gateway",
  clock_skew: "unavailable",
  not_yet_signed: "unavailable",
  restore_in_progress: "unavailable",
  storage_full: "unavailable",
  unavailable: "unavailable",
  gateway_timeout: "gateway_timeout",
} as const satisfies Record<string, ErrorKind>;
export type ProblemCode = keyof typeof PROBLEM_CODES;
