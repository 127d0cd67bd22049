import type { MedicalRecordView, NewMedicalRecord, RecordType } from "@medvault/contracts";
import type { Original } from "../fhir/map.ts";
import type { Integrity } from "./integrity.ts";

/** One version of what was written about a patient. Its hash and signature lie in the same box. */
export interface MedicalRecord {
  id: string;
  rev: number;
  patientId: string;
  authorId: string;
  version: number;
  occurredAt: Date;
  createdAt: Date;
  updatedAt: Date;
  hiddenAt: Date | null;
  type: RecordType;
  title: string;
  body: string;
  code: string | null;
  integrity: Integrity;
  /** The FHIR resource that the record came from, until it is changed here. */
  source: Original | null;
}

/** A version that was replaced, as it is stored: a row of its own, named after the record. */
export interface PastVersion {
  id: string;
  rev: number;
  recordId: string;
  patientId: string;
  authorId: string;
  version: number;
  occurredAt: Date;
  createdAt: Date;
  updatedAt: Date;
  type: RecordType;
  title: string;
  body: string;
  code: string | null;
  integrity: Integrity;
  source: Original | null;
}

export const RECORD_FIELDS = ["type", "title", "body", "code", "occurredAt"] as const;

export const MAX_VERSIONS = 1_000;

/** The next version of a record with this content; the signature is made by the caller. */
export function nextVersion(
  record: MedicalRecord,
  content: NewMedicalRecord,
  authorId: string,
  now: Date,
): Omit<MedicalRecord, "integrity"> {
  const { integrity: _former, ...rest } = record;
  return {
    ...rest,
    ...content,
    code: content.code ?? null,
    occurredAt: new Date(content.occurredAt),
    rev: record.rev + 1,
    version: record.version + 1,
    authorId,
    updatedAt: now,
    source: null,
  };
}

/** What is kept of a version when the next one takes its place. */
export function pastVersion(record: MedicalRecord, id: string): PastVersion {
  const { hiddenAt: _never, ...rest } = record;
  return { ...rest, id, rev: 1, recordId: record.id };
}

export function viewOf(record: MedicalRecord): MedicalRecordView {
  return {
    id: record.id,
    patientId: record.patientId,
    type: record.type,
    title: record.title,
    body: record.body,
    code: record.code,
    occurredAt: record.occurredAt.toISOString(),
    version: record.version,
    authorId: record.authorId,
    createdAt: record.createdAt.toISOString(),
    updatedAt: record.updatedAt.toISOString(),
    hiddenAt: record.hiddenAt?.toISOString() ?? null,
  };
}

export function viewOfPast(version: PastVersion): MedicalRecordView {
  return viewOf({ ...version, id: version.recordId, hiddenAt: null });
}
