import type { OperationOutcome, Problem } from "@medvault/contracts";
import type { Request } from "express";

/** What of a request says in which form its answer is to come. */
type Asking = Pick<Request, "originalUrl" | "headers">;

const FHIR_PATH = /^\/v1\/fhir(\/|\?|$)/;
const FHIR_TYPE = /application\/fhir\+/i;
const FORMAT = /[?&]_format=([^&]*)/;

/**
 * Whether a request asks for FHIR: its path is of the FHIR API, and `Accept` or `_format` names
 * FHIR. A body in FHIR asks for nothing: who accepts anything gets our answer, which says more.
 */
export function asksForFhir({ originalUrl, headers }: Asking): boolean {
  if (!FHIR_PATH.test(originalUrl)) return false;
  return FHIR_TYPE.test(headers.accept ?? "") || FORMAT.test(originalUrl);
}

/** IssueType by status (https://hl7.org/fhir/R4/valueset-issue-type.html). */
const ISSUE_OF_STATUS: Readonly<Record<number, string>> = {
  400: "invalid",
  401: "login",
  403: "forbidden",
  404: "not-found",
  405: "not-supported",
  406: "not-supported",
  408: "timeout",
  409: "conflict",
  410: "deleted",
  412: "conflict",
  413: "too-long",
  414: "too-long",
  415: "not-supported",
  416: "value",
  422: "processing",
  429: "throttled",
  502: "transient",
  503: "transient",
  504: "timeout",
};
/** Where the code says more than the status. */
const ISSUE_OF_CODE: Readonly<Record<string, string>> = {
  request_screened: "security",
  row_damaged: "exception",
  storage_full: "no-store",
  restore_in_progress: "lock-error",
};

const CODES = "urn:medvault:problem";

/** A problem as FHIR says it: an issue for each fault, with our `code` in its details. */
export function outcomeOf({ status, code, detail, requestId, errors = [] }: Problem): OperationOutcome {
  const issue = {
    severity: "error" as const,
    code: ISSUE_OF_CODE[code] ?? ISSUE_OF_STATUS[status] ?? "exception",
    details: { coding: [{ system: CODES, code }], text: detail },
  };
  const faults = errors.map(({ path, message }) => ({
    ...issue,
    diagnostics: [path, message].filter(Boolean).join(" "),
    ...(path !== "" && { expression: [path.replace(/\.(\d+)(?=\.|$)/g, "[$1]")] }),
  }));
  return {
    resourceType: "OperationOutcome",
    extension: [{ url: "urn:medvault:request-id", valueString: requestId }],
    issue: faults.length > 0 ? faults : [{ ...issue, diagnostics: detail }],
  };
}
