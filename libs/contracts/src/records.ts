import { z } from "zod";
import { bodyCursor, bodyLimit, date, instant, term, text } from "./fields.ts";
import { PageQuery, page } from "./http.ts";
import { Id } from "./ids.ts";

// ---- medical records

export const RecordType = z.enum([
  "note",
  "diagnosis",
  "lab",
  "imaging",
  "procedure",
  "allergy",
  "immunization",
]);
export type RecordType = z.infer<typeof RecordType>;

export const NewMedicalRecord = z.strictObject({
  type: RecordType,
  title: text(1000),
  body: text(100_000),
  code: term(200).optional(),
  occurredAt: instant,
});
export type NewMedicalRecord = z.infer<typeof NewMedicalRecord>;

export const MedicalRecordView = z.object({
  id: Id,
  patientId: Id,
  type: RecordType,
  title: z.string(),
  body: z.string(),
  code: z.string().nullable(),
  occurredAt: instant,
  version: z.int(),
  authorId: Id,
  createdAt: instant,
  updatedAt: instant,
  hiddenAt: instant.nullable(),
});
export type MedicalRecordView = z.infer<typeof MedicalRecordView>;
export const MedicalRecordPage = page(MedicalRecordView);
/** Newest version first. A record has at most 1,000 versions. */
export const MedicalRecordVersions = z.object({ items: z.array(MedicalRecordView) });

export const MedicalRecordListQuery = PageQuery.extend({ type: RecordType.optional() }).strict();
export type MedicalRecordListQuery = z.infer<typeof MedicalRecordListQuery>;

/**
 * `contentHash` is the digest (hex) of RFC 8785 `{body, code, occurredAt, title, type}`; `signature` (base64) is
 * Ed25519 over the UTF-8 bytes of `statement`, RFC 8785 JSON that names record, patient, version and hash;
 * `publicKey` is SPKI in PEM. `valid` is the service's own check of hash and signature. `digest` is there, and in the
 * statement, where it is not SHA-256: another one that the deployment chose at the time.
 */
export const IntegrityView = z.object({
  contentHash: z.string(),
  digest: z.enum(["sha256", "sha512", "sha3-256", "sha3-512"]).optional(),
  signature: z.string(),
  signedBy: Id,
  signedAt: instant,
  publicKey: z.string(),
  statement: z.string(),
  version: z.int(),
  valid: z.boolean(),
});
export type IntegrityView = z.infer<typeof IntegrityView>;

// ---- prescriptions

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
export type PrescriptionStatus = z.infer<typeof PrescriptionStatus>;

const inOrder = (p: { startDate: string; endDate?: string | null | undefined }) =>
  p.endDate === undefined || p.endDate === null || p.endDate >= p.startDate;
const endsAfterStart = { path: ["endDate"], message: "must not be before startDate" };

const prescriptionFields = {
  medication: text(1000),
  dosage: text(2000),
  frequency: text(1000).nullable().optional(),
  notes: text(20_000).nullable().optional(),
  startDate: date,
  endDate: date.nullable().optional(),
  refills: z.int().min(0).max(999).nullable().optional(),
  status: PrescriptionStatus.default("active"),
};

export const NewPrescription = z
  .strictObject({ patientId: Id, ...prescriptionFields })
  .refine(inOrder, endsAfterStart);
export type NewPrescription = z.infer<typeof NewPrescription>;

/** A PUT replaces the whole; the patient may be named but never changed. `dosage` is null where an import knew none. */
export const ReplacePrescription = z
  .strictObject({ patientId: Id.optional(), ...prescriptionFields, dosage: text(2000).nullable() })
  .refine(inOrder, endsAfterStart);
export type ReplacePrescription = z.infer<typeof ReplacePrescription>;

export const PrescriptionView = z.object({
  id: Id,
  patientId: Id,
  medication: z.string(),
  dosage: z.string().nullable(),
  frequency: z.string().nullable(),
  notes: z.string().nullable(),
  startDate: date,
  endDate: date.nullable(),
  refills: z.int().nullable(),
  status: PrescriptionStatus,
  prescribedBy: Id,
  createdAt: instant,
  updatedAt: instant,
});
export type PrescriptionView = z.infer<typeof PrescriptionView>;
export const PrescriptionPage = page(PrescriptionView);

const prescriptionFilters = {
  from: date.optional(),
  to: date.optional(),
  patientId: Id.optional(),
  status: PrescriptionStatus.optional(),
};
export const PrescriptionListQuery = PageQuery.extend(prescriptionFilters).strict();
export type PrescriptionListQuery = z.infer<typeof PrescriptionListQuery>;
export const PrescriptionSearch = z.strictObject({
  q: term(200),
  ...prescriptionFilters,
  limit: bodyLimit,
  cursor: bodyCursor,
});
export type PrescriptionSearch = z.infer<typeof PrescriptionSearch>;

// ---- claims

export const ClaimStatus = z.enum(["draft", "submitted", "approved", "rejected", "paid"]);
export type ClaimStatus = z.infer<typeof ClaimStatus>;

const claimFields = {
  providerId: Id,
  diagnosisCode: term(64),
  diagnosis: text(4000),
  treatment: text(20_000),
  /** Minor units, e.g. cents. */
  amount: z.int().min(0),
  currency: z.string().regex(/^[A-Z]{3}$/, "must be an ISO 4217 code"),
};
export const NewClaim = z.strictObject({ patientId: Id, ...claimFields });
export type NewClaim = z.infer<typeof NewClaim>;
export const ClaimPatch = z.strictObject(claimFields).partial();
export type ClaimPatch = z.infer<typeof ClaimPatch>;
/** Body of submit, approve, reject and pay. The reason is sealed and never in an event. */
export const ClaimStep = z.strictObject({ reason: text(2000).optional() });
export type ClaimStep = z.infer<typeof ClaimStep>;

/** An imported claim may name no diagnosis and no provider that has an id; such fields are null. */
export const ClaimView = z.object({
  id: Id,
  patientId: Id,
  providerId: Id.nullable(),
  diagnosisCode: z.string().nullable(),
  diagnosis: z.string().nullable(),
  treatment: z.string().nullable(),
  amount: z.int(),
  currency: z.string(),
  status: ClaimStatus,
  reason: z.string().nullable(),
  createdBy: Id,
  createdAt: instant,
  updatedAt: instant,
});
export type ClaimView = z.infer<typeof ClaimView>;
export const ClaimPage = page(ClaimView);
export const ClaimListQuery = PageQuery.extend({
  patientId: Id.optional(),
  status: ClaimStatus.optional(),
}).strict();
export type ClaimListQuery = z.infer<typeof ClaimListQuery>;

// ---- FHIR

/** Counts by what became of a bundle's resources. `kept` counts, per type, what has no room yet. */
export const FhirImportView = z.object({
  patientId: Id.nullable(),
  patient: z.enum(["created", "matched", "none"]),
  total: z.int(),
  stored: z.object({ patients: z.int(), records: z.int(), prescriptions: z.int(), claims: z.int() }),
  kept: z.record(z.string(), z.int()),
  existing: z.int(),
});
export type FhirImportView = z.infer<typeof FhirImportView>;

/** What the files service asks before it touches a patient's file. */
export const AccessQuery = z.strictObject({
  action: z.enum(["read", "write"]),
  prescriptionId: Id.optional(),
});
export const AccessView = z.object({ allowed: z.literal(true), patientId: Id, reason: z.string() });

/** The outline of a Bundle; resources are looked at one by one by the records service. */
export const FhirBundle = z.looseObject({
  resourceType: z.literal("Bundle"),
  type: z.enum(["transaction", "batch", "searchset", "collection"]),
  entry: z.array(z.looseObject({ fullUrl: z.string().optional(), resource: z.looseObject({}) })).optional(),
});
