import { z } from "zod";
import { PageQuery, page } from "./http.ts";
import { Id } from "./ids.ts";

/**
 * Clinical text is kept to the letter: nothing is trimmed, escaped or refused for how it looks.
 * Only text that UTF-8 cannot carry (a lone surrogate) is refused, since it could not come back as it went in.
 */
const text = (maxChars: number) =>
  z
    .string()
    .min(1)
    .max(maxChars)
    .refine((value) => value.isWellFormed(), "must be well-formed Unicode");

/** A name must have something in it besides blanks. */
const name = text(200).refine((value) => value.trim() !== "", "must not be blank");

/** ISO 8601 knows a year 0000; PostgreSQL and FHIR do not. */
const date = z.iso.date().refine((value) => value >= "0001", "must be in year 0001 or later");
/** With `Z` or an offset; kept and answered in UTC, to the millisecond. */
const instant = z.iso.datetime({ offset: true }).refine((value) => {
  const year = new Date(value).getUTCFullYear();
  return year >= 1 && year <= 9999;
}, "must be in the years 0001 to 9999");
const bodyLimit = z.int().min(1).max(100).default(20);
const bodyCursor = z.string().max(2000).optional();

// ---- patients

export const Sex = z.enum(["male", "female", "other", "unknown"]);
export type Sex = z.infer<typeof Sex>;

/** The fields that every answer masks unless `?unmask=` is asked for and granted. */
export const SENSITIVE_FIELDS = ["nationalId", "phone", "email", "address"] as const;
export type SensitiveField = (typeof SENSITIVE_FIELDS)[number];

export const NewPatient = z.strictObject({
  givenName: name,
  familyName: name,
  birthDate: date,
  sex: Sex,
  nationalId: text(64).optional(),
  phone: text(64).optional(),
  email: z.email().max(320).optional(),
  address: text(500).optional(),
  userId: Id.optional(),
});
export type NewPatient = z.infer<typeof NewPatient>;

/** A missing field stays as it is; `null` clears one that may be absent. */
export const PatientPatch = z.strictObject({
  givenName: name.optional(),
  familyName: name.optional(),
  birthDate: date.optional(),
  sex: Sex.optional(),
  nationalId: text(64).nullable().optional(),
  phone: text(64).nullable().optional(),
  email: z.email().max(320).nullable().optional(),
  address: text(500).nullable().optional(),
  userId: Id.nullable().optional(),
});
export type PatientPatch = z.infer<typeof PatientPatch>;

/** `birthDate` is null only where an imported resource knew none. Sensitive fields hold masks unless unmasked. */
export const PatientView = z.object({
  id: Id,
  userId: Id.nullable(),
  givenName: z.string(),
  familyName: z.string(),
  birthDate: z.string().nullable(),
  sex: Sex,
  nationalId: z.string().nullable(),
  phone: z.string().nullable(),
  email: z.string().nullable(),
  address: z.string().nullable(),
  createdAt: instant,
  updatedAt: instant,
});
export type PatientView = z.infer<typeof PatientView>;
export const PatientPage = page(PatientView);

/** `?unmask=nationalId,phone` as a set of field names. */
export const UnmaskQuery = z.strictObject({
  unmask: z
    .string()
    .transform((value) => [...new Set(value.split(","))])
    .pipe(z.array(z.enum(SENSITIVE_FIELDS)).min(1))
    .optional(),
});

/** No filter holds PHI, because filters travel in URLs. */
export const PatientListQuery = PageQuery.extend({
  careTeamOf: Id.optional(),
  updatedSince: instant.optional(),
}).strict();
export type PatientListQuery = z.infer<typeof PatientListQuery>;

export const PatientSearch = z
  .strictObject({
    q: text(200).optional(),
    nationalId: text(64).optional(),
    birthDate: date.optional(),
    limit: bodyLimit,
    cursor: bodyCursor,
  })
  .refine(
    (s) => s.q !== undefined || s.nationalId !== undefined || s.birthDate !== undefined,
    "q, nationalId or birthDate is needed",
  );
export type PatientSearch = z.infer<typeof PatientSearch>;

// ---- care team

export const CareTeamMember = z.object({ userId: Id, addedBy: Id, addedAt: instant });
export type CareTeamMember = z.infer<typeof CareTeamMember>;
export const CareTeamView = z.object({ items: z.array(CareTeamMember) });

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
  code: text(200).optional(),
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
 * `contentHash` is SHA-256 (hex) of RFC 8785 `{body, code, occurredAt, title, type}`; `signature` (base64) is
 * Ed25519 over the UTF-8 bytes of `statement`, RFC 8785 JSON that names record, patient, version and hash;
 * `publicKey` is SPKI in PEM. `valid` is the service's own check of hash and signature.
 */
export const IntegrityView = z.object({
  contentHash: z.string(),
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
  q: text(200),
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
  diagnosisCode: text(64),
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
