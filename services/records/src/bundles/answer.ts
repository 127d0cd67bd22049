import type { FhirBundleAnswer, FhirIssue } from "@medvault/contracts";

/** What became of an entry: a key of {@link MEANING}. */
export type Result = keyof typeof MEANING;

type Meaning = readonly [status: string, severity: FhirIssue["severity"], code: string, diagnostics: string];

const MEANING = {
  created: ["201 Created", "information", "informational", "Stored."],
  kept: ["201 Created", "information", "informational", "Kept as it came."],
  alone: ["201 Created", "information", "informational", "Kept, in nobody's chart."],
  unattached: [
    "201 Created",
    "warning",
    "not-found",
    "Kept, but in nobody's chart: its subject leads to no patient of the bundle, nor to one here that you may write. Name its patient and load it again.",
  ],
  updated: ["200 OK", "information", "informational", "Stored as a new version; the former one is kept."],
  existing: ["200 OK", "information", "informational", "Stored already: nothing was changed."],
  older: ["200 OK", "warning", "conflict", "Older than what is stored: not applied."],
  masked: ["200 OK", "warning", "business-rule", "A copy with masked values never replaces what has them."],
  decided: ["200 OK", "warning", "business-rule", "A decision was made on it here: not applied."],
  second: [
    "200 OK",
    "warning",
    "duplicate",
    "Another Patient of the bundle is of the same chart: not applied.",
  ],
  deleted: ["204 No Content", "information", "informational", "Deleted."],
  absent: ["204 No Content", "information", "not-found", "There is no such resource."],
  version: [
    "412 Precondition Failed",
    "error",
    "conflict",
    "Another version than If-Match names is stored. Read it again.",
  ],
  several: [
    "412 Precondition Failed",
    "error",
    "multiple-matches",
    "Several resources match. Name one by its id.",
  ],
  twice: ["400 Bad Request", "error", "duplicate", "Another entry of the bundle is about the same resource."],
  elsewhere: [
    "409 Conflict",
    "error",
    "business-rule",
    "The resource is another patient's, or of another type. Nothing moves between patients.",
  ],
  nobody: [
    "400 Bad Request",
    "error",
    "incomplete",
    "Whose it is was not said: name the resource by its id, or put its Patient into the bundle.",
  ],
  invalid: ["400 Bad Request", "error", "invalid", "The entry is not valid."],
  unsupported: ["400 Bad Request", "error", "not-supported", "This is not supported."],
  forbidden: ["403 Forbidden", "error", "forbidden", "This is not allowed."],
  missing: ["404 Not Found", "error", "not-found", "Not found, or not visible to you."],
  conflict: ["409 Conflict", "error", "conflict", "The request conflicts with the present state."],
} as const satisfies Record<string, Meaning>;

/**
 * What became of one entry, short: 20,000 of them are kept with an Idempotency-Key. The row's FHIR
 * type, id, version and when that was made, where there is one; the path and words of a fault.
 */
export type Outcome = readonly [
  result: Result,
  row?: readonly [type: string, id: string, version: number, at: string] | null,
  fault?: readonly [path: string, message: string],
];

/** Whether the entry failed. */
export const isFault = ([result]: Outcome): boolean => MEANING[result][1] === "error";

/** https://hl7.org/fhir/R4/http.html#transaction-response, with an outcome for each entry. */
export function answerOf(isTransaction: boolean, outcomes: readonly Outcome[]): FhirBundleAnswer {
  return {
    resourceType: "Bundle",
    type: isTransaction ? "transaction-response" : "batch-response",
    entry: outcomes.map(([result, row, fault]) => {
      const [status, severity, code, diagnostics] = MEANING[result];
      const [type, id, version, lastModified] = row ?? [];
      // Stored in spite of a fault: kept as it came.
      const isStored = severity !== "error";
      const meant: FhirIssue = { severity, code, diagnostics };
      const issue: FhirIssue | undefined = fault && {
        severity: isStored ? "warning" : severity,
        code: isStored ? "structure" : code,
        diagnostics: `${fault[0]}: ${fault[1]}`,
        expression: [fault[0].replace(/\.(\d+)(?=\.|$)/g, "[$1]")],
      };
      return {
        response: {
          status,
          ...(row && {
            location: `${type}/${id}/_history/${version}`,
            etag: `W/"${version}"`,
            lastModified,
          }),
          outcome: {
            resourceType: "OperationOutcome",
            issue: [...(issue ? [issue] : []), ...(issue && severity !== "warning" ? [] : [meant])],
          },
        },
      };
    }),
  };
}
