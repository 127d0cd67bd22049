import { z } from "zod";
import { Coding, NewCode } from "../coding.ts";
import {
  bodyCursor,
  bodyLimit,
  date,
  instant,
  Password,
  partialDate,
  searched,
  term,
  text,
} from "../fields.ts";
import { PageQuery, sealedPage, versions } from "../http.ts";
import { Id } from "../ids.ts";
import { personOf } from "../person.ts";

/** FHIR R4 MedicationRequest.status. */
export const PrescriptionStatus = z.enum([
  "active",
  "on-hold",
  "cancelled",
  "completed",
  "entered-in-error",
  "stopped",
  "draft",
  "unknown",
]);

/** As far as both are said: what ends in 2024 may have started in May of it. */
const inOrder = ({ startDate, endDate }: { startDate: string | null; endDate?: string | null | undefined }) =>
  !startDate || !endDate || endDate >= startDate.slice(0, endDate.length);
const endsAfterStart = { path: ["endDate"], message: "must not be before startDate" };

const prescriptionFields = {
  medication: text(1000),
  code: NewCode.nullable().optional(),
  dosage: text(2000),
  frequency: text(1000).nullable().optional(),
  notes: text(20_000).nullable().optional(),
  startDate: partialDate,
  endDate: partialDate.nullable().optional(),
  refills: z.int().min(0).max(999).nullable().optional(),
  status: PrescriptionStatus.default("active"),
};

export const NewPrescription = z
  .strictObject({ patientId: Id, ...prescriptionFields })
  .refine(inOrder, endsAfterStart);
export type NewPrescription = z.infer<typeof NewPrescription>;

/**
 * The patient may be named but never changed. `dosage` and `startDate` are null where an import
 * knew none. A `code` that is left out stays where `medication` does; null takes it away.
 */
export const ReplacePrescription = z
  .strictObject({
    patientId: Id.optional(),
    ...prescriptionFields,
    dosage: text(2000).nullable(),
    startDate: partialDate.nullable(),
  })
  .refine(inOrder, endsAfterStart);
export type ReplacePrescription = z.infer<typeof ReplacePrescription>;

/**
 * `prescribedBy` is who answers for it as it stands: who rewrote the drug, its dose or its time is
 * the prescriber from then on. `createdBy` wrote it first, `updatedBy` this version; either is null
 * where that was not kept yet. `startDate` and `endDate` are as precise as they were said;
 * `undated` marks a prescription without a start, which stands in lists where it became known.
 */
export const PrescriptionView = z.object({
  id: Id,
  patientId: Id,
  medication: z.string(),
  code: Coding.nullable(),
  dosage: z.string().nullable(),
  frequency: z.string().nullable(),
  notes: z.string().nullable(),
  startDate: partialDate.nullable(),
  undated: z.literal(true).optional(),
  endDate: partialDate.nullable(),
  refills: z.int().nullable(),
  status: PrescriptionStatus,
  prescribedBy: Id,
  prescriber: personOf("prescribedBy"),
  createdBy: Id.nullable(),
  creator: personOf("createdBy"),
  updatedBy: Id.nullable(),
  updater: personOf("updatedBy"),
  createdAt: instant,
  updatedAt: instant,
});
export type PrescriptionView = z.infer<typeof PrescriptionView>;
export const PrescriptionPage = sealedPage(PrescriptionView);
export const PrescriptionVersions = versions(PrescriptionView);

/**
 * `from` and `to` compare the start, a partial one by its first day. What has no start is in no
 * range.
 */
const prescriptionFilters = {
  from: date.optional(),
  to: date.optional(),
  patientId: Id.optional(),
  status: PrescriptionStatus.optional(),
};
export const PrescriptionListQuery = PageQuery.extend(prescriptionFilters).strict();
export type PrescriptionListQuery = z.infer<typeof PrescriptionListQuery>;
/** Each word of `q` is part of the medication, its code or display, or of the patient's names. */
export const PrescriptionSearch = z.strictObject({
  q: searched(200),
  ...prescriptionFilters,
  limit: bodyLimit,
  cursor: bodyCursor,
});
export type PrescriptionSearch = z.infer<typeof PrescriptionSearch>;

/**
 * `password` opens the PDF: 12 characters or more, not easily guessed (`weak_password`). Left out,
 * a random one is made, and answered once.
 */
export const PrescriptionPdfRequest = z.strictObject({ password: Password.optional() });
export type PrescriptionPdfRequest = z.infer<typeof PrescriptionPdfRequest>;

/** The PDF in base64, and the password that opens it, which is kept nowhere. */
export const PrescriptionPdf = z.object({ password: z.string(), pdf: z.base64() });

/** As it is printed; case, spaces and hyphens make no difference. */
export const VerifyPrescription = z.strictObject({ code: term(64) });

/**
 * What a code on a printed prescription leads to. `valid`: the signature holds. `status`:
 * `current` as long as the prescription is as it was printed, `replaced` once it was changed,
 * `withdrawn` once it was cancelled, stopped, marked as an error or deleted. `signedBy` is the
 * prescriber as printed. `contentHash` is the digest (`sha256` unless `digest` names another) of
 * what was printed, in RFC 8785 form; `statement` is the text that `signature` (Ed25519, base64) is
 * over.
 */
export const PrescriptionVerification = z.object({
  valid: z.boolean(),
  status: z.enum(["current", "replaced", "withdrawn"]),
  signedBy: z.string().nullable(),
  signedAt: instant,
  contentHash: z.string(),
  digest: z.string().optional(),
  signature: z.string(),
  publicKey: z.string(),
  statement: z.string(),
});
export type PrescriptionVerification = z.infer<typeof PrescriptionVerification>;
