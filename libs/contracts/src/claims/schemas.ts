import { z } from "zod";
import { Coding, NewCoding } from "../coding.ts";
import { instant, term, text } from "../fields.ts";
import { PageQuery, sealedPage, versions } from "../http.ts";
import { Id } from "../ids.ts";
import { personOf } from "../person.ts";

export const ClaimStatus = z.enum(["draft", "submitted", "approved", "rejected", "paid"]);
export type ClaimStatus = z.infer<typeof ClaimStatus>;

/** Those of ISO 4217 that are or were money: not `XXX` (none), `XTS` (tests) or metals. */
const CURRENCIES: ReadonlySet<string> = new Set(Intl.supportedValuesOf("currency"));
export const isCurrency = (code: string): boolean => CURRENCIES.has(code);

const claimFields = {
  providerId: Id,
  diagnosisCode: term(64),
  /** The same code with its system and words. */
  diagnosisCoding: NewCoding.nullable().optional(),
  diagnosis: text(4000),
  treatment: text(20_000),
  /** Minor units, e.g. cents. */
  amount: z.int().min(0),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/, { error: "must be an ISO 4217 code such as EUR", abort: true })
    .refine(isCurrency, {
      error: "must be an ISO 4217 code such as EUR",
      params: { code: "invalid_value" },
    }),
};
const isOneCode = (claim: {
  diagnosisCode?: string | undefined;
  diagnosisCoding?: NewCoding | null | undefined;
}) =>
  !claim.diagnosisCoding ||
  claim.diagnosisCode === undefined ||
  claim.diagnosisCoding.code === claim.diagnosisCode;
const oneCode = { path: ["diagnosisCoding", "code"], message: "must be the diagnosisCode" };

export const NewClaim = z.strictObject({ patientId: Id, ...claimFields }).refine(isOneCode, oneCode);
export type NewClaim = z.infer<typeof NewClaim>;
/** Of a code and its coding, the one that is sent alone takes the other along. */
export const ClaimPatch = z.strictObject(claimFields).partial().refine(isOneCode, oneCode);
export type ClaimPatch = z.infer<typeof ClaimPatch>;
/** Body of submit, approve, reject and pay. The reason is sealed and never in an event. */
export const ClaimStep = z.strictObject({ reason: text(2000).optional() });
export type ClaimStep = z.infer<typeof ClaimStep>;

/**
 * An imported claim of several diagnoses has all their codes in `diagnosisCode`, and the coding of
 * the first. It may name no diagnosis and no provider that has an id; such fields
 * are null.
 */
export const ClaimView = z.object({
  id: Id,
  patientId: Id,
  providerId: Id.nullable(),
  provider: personOf("providerId"),
  diagnosisCode: z.string().nullable(),
  diagnosisCoding: Coding.nullable(),
  diagnosis: z.string().nullable(),
  treatment: z.string().nullable(),
  amount: z.int(),
  currency: z.string(),
  status: ClaimStatus,
  reason: z.string().nullable(),
  createdBy: Id,
  creator: personOf("createdBy"),
  /** Who wrote this version; null where that was not kept yet. */
  updatedBy: Id.nullable(),
  updater: personOf("updatedBy"),
  createdAt: instant,
  updatedAt: instant,
});
export type ClaimView = z.infer<typeof ClaimView>;
export const ClaimPage = sealedPage(ClaimView);
export const ClaimVersions = versions(ClaimView);
export const ClaimListQuery = PageQuery.extend({
  patientId: Id.optional(),
  status: ClaimStatus.optional(),
}).strict();
export type ClaimListQuery = z.infer<typeof ClaimListQuery>;
