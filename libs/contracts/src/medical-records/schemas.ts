import { z } from "zod";
import { Coding, codeSystem, NewCode } from "../coding.ts";
import { bodyCursor, bodyLimit, dateOrInstant, instant, searched, term, text } from "../fields.ts";
import { DamagedRow, PageQuery, sealedPage } from "../http.ts";
import { Id } from "../ids.ts";
import { personOf, type WithoutPeople } from "../person.ts";

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

/**
 * `occurredAt` is left out, or null, where nobody knows it. An instant is kept in UTC. In a new
 * version a `code` that is left out stays where type and title do; null takes it away.
 */
export const NewMedicalRecord = z.strictObject({
  type: RecordType,
  title: text(1000),
  body: text(100_000),
  code: NewCode.nullable().optional(),
  occurredAt: dateOrInstant.nullable().optional(),
});
export type NewMedicalRecord = z.infer<typeof NewMedicalRecord>;

/**
 * `occurredAt` is as precise as it was said: a year, a month, a day, or an instant in UTC. Null: no
 * date was said; `undated` marks it, and the record stands in lists where it became known.
 */
export const MedicalRecordView = z.object({
  id: Id,
  patientId: Id,
  type: RecordType,
  title: z.string(),
  body: z.string(),
  code: Coding.nullable(),
  occurredAt: dateOrInstant.nullable(),
  undated: z.literal(true).optional(),
  version: z.int(),
  authorId: Id,
  author: personOf("authorId"),
  createdAt: instant,
  updatedAt: instant,
  hiddenAt: instant.nullable(),
});
export type MedicalRecordView = z.infer<typeof MedicalRecordView>;
export const MedicalRecordPage = sealedPage(MedicalRecordView);
/** Newest version first. A record has at most 1,000 versions. */
export const MedicalRecordVersions = z.object({ items: z.array(z.union([MedicalRecordView, DamagedRow])) });

export const MedicalRecordListQuery = PageQuery.extend({ type: RecordType.optional() }).strict();
export type MedicalRecordListQuery = z.infer<typeof MedicalRecordListQuery>;

/**
 * Each word of `q` is part of the title, the code or its display, in any order, from one letter up;
 * `code` is a whole code, `system` its system, by any of its URIs. All of them can be combined.
 */
export const MedicalRecordSearch = z.strictObject({
  q: searched(200).optional(),
  code: term(200).optional(),
  system: codeSystem.optional(),
  type: RecordType.optional(),
  limit: bodyLimit,
  cursor: bodyCursor,
});
export type MedicalRecordSearch = z.infer<typeof MedicalRecordSearch>;

/**
 * `contentHash` is the digest (hex) of RFC 8785 `{body, code, occurredAt, title, type}`, each as
 * the record shows it, `code` without `known`, and as its bare text where it has neither system nor
 * display; `signature` (base64) is Ed25519 over the UTF-8 bytes of `statement`, that is
 * RFC 8785 JSON which names record, patient, version and hash; `publicKey` is SPKI in PEM. `valid`
 * is the service's own check of hash and signature. `digest` is there, and in the statement, where
 * it is not SHA-256: another one that the deployment chose at the time.
 */
export const IntegrityView = z.object({
  contentHash: z.string(),
  digest: z.enum(["sha256", "sha512", "sha3-256", "sha3-512"]).optional(),
  signature: z.string(),
  signedBy: Id,
  signer: personOf("signedBy"),
  signedAt: instant,
  publicKey: z.string(),
  statement: z.string(),
  version: z.int(),
  valid: z.boolean(),
});
export type IntegrityView = WithoutPeople<z.infer<typeof IntegrityView>>;
