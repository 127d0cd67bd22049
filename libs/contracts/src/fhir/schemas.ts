import { z } from "zod";
import { instant } from "../fields.ts";
import { queryNumber, wholeNumber } from "../http.ts";
import { Id } from "../ids.ts";
import { UnmaskQuery } from "../patients/schemas.ts";

const FhirIssue = z.object({
  severity: z.enum(["fatal", "error", "warning", "information"]),
  code: z.string(),
  diagnostics: z.string(),
  /** Where in the bundle that was sent. */
  expression: z.array(z.string()).optional(),
});
export type FhirIssue = z.infer<typeof FhirIssue>;

/** What became of each entry: https://hl7.org/fhir/R4/http.html#transaction-response. */
export const FhirBundleAnswer = z.object({
  resourceType: z.literal("Bundle"),
  type: z.enum(["transaction-response", "batch-response"]),
  entry: z.array(
    z.object({
      response: z.object({
        status: z.string(),
        /** `Type/<our id>/_history/<version>`. */
        location: z.string().optional(),
        etag: z.string().optional(),
        lastModified: z.string().optional(),
        outcome: z.object({ resourceType: z.literal("OperationOutcome"), issue: z.array(FhirIssue) }),
      }),
    }),
  ),
});
export type FhirBundleAnswer = z.infer<typeof FhirBundleAnswer>;

/**
 * Counts by what became of a bundle's resources, and what became of each. `kept` counts, per type,
 * what has no room yet, `unattached` those of them that are in nobody's chart because their subject
 * leads to no patient; `updated` has a new version; `unapplied` is older than what is stored, or
 * was decided on here; `failed` are entries of a batch.
 */
export const FhirImportView = z.object({
  patientId: Id.nullable(),
  patient: z.enum(["created", "matched", "none"]),
  /** Each Patient of the bundle, in its order; the two above are the first one's. */
  patients: z.array(z.object({ patientId: Id, patient: z.enum(["created", "matched"]) })),
  /** Charts in the caller's reach that may be the same person's as one of these. */
  possibleDuplicates: z.array(Id),
  /** Where the search could not say who has the same name and birth date. */
  duplicatesChecked: z.literal(false).optional(),
  total: z.int(),
  stored: z.object({
    patients: z.int(),
    records: z.int(),
    prescriptions: z.int(),
    claims: z.int(),
    appointments: z.int(),
  }),
  kept: z.record(z.string(), z.int()),
  unattached: z.int(),
  existing: z.int(),
  updated: z.int(),
  unapplied: z.int(),
  deleted: z.int(),
  failed: z.int(),
  ...FhirBundleAnswer.shape,
});
export type FhirImportView = z.infer<typeof FhirImportView>;

/**
 * The outline of a Bundle; resources are looked at one by one by the records service. An entry that
 * deletes has none.
 */
export const FhirBundle = z.looseObject({
  resourceType: z.literal("Bundle"),
  type: z.enum(["transaction", "batch", "searchset", "collection", "document"]),
  entry: z
    .array(
      z.looseObject({
        fullUrl: z.string().optional(),
        resource: z.looseObject({}).optional(),
        request: z.looseObject({}).optional(),
      }),
    )
    .optional(),
});

/** The name of a FHIR R4 resource type. */
export const FhirType = z.string().regex(/^[A-Z][A-Za-z]{1,63}$/, "is not a FHIR resource type");

/** How many resources of a chart come in one page, unless fewer are asked for. */
export const MAX_CHART_PAGE = 20_000;

/** At most so many resources in a page; more than a page ever has are that many. */
const pageCount = (max: number) =>
  queryNumber(wholeNumber().min(1)).transform((count) => Math.min(count, max));

export const EverythingQuery = UnmaskQuery.extend({
  _count: pageCount(MAX_CHART_PAGE).optional(),
  /** Only what was stored or changed since. */
  _since: instant.optional(),
  /** Only resources of these types, separated by commas. */
  _type: z
    .string()
    .transform((types) => types.split(","))
    .pipe(z.array(FhirType).max(50))
    .optional(),
  _cursor: z.string().max(1024).optional(),
});
export type EverythingQuery = z.infer<typeof EverythingQuery>;

/** A page of a chart or of what a search found; `link` leads to the next one. */
export const FhirPage = z.looseObject({
  resourceType: z.literal("Bundle"),
  type: z.enum(["searchset", "history"]),
  total: z.int().optional(),
  entry: z.array(z.looseObject({ fullUrl: z.string(), resource: z.looseObject({}).optional() })).optional(),
  link: z.array(z.object({ relation: z.enum(["self", "next"]), url: z.string() })),
});
