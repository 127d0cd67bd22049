import { isPartialDate, type MedicalRecordView } from "@medvault/contracts";
import { holdsWords, searchWords, termText } from "@medvault/search";
import type { Coded } from "../fhir/coding.ts";
import type { Original } from "../fhir/resource.ts";
import { firstDay, type Said } from "../resources/as-said.ts";
import { nextRevision, type PatientOwned, type Stored } from "../resources/patient-owned.ts";
import type { Integrity } from "./integrity.ts";

type Instants = "createdAt" | "updatedAt" | "hiddenAt";

/** One version of what was written about a patient. Its hash and signature lie in the same box. */
export interface MedicalRecord
  extends Omit<Stored<MedicalRecordView, Instants>, "occurredAt" | "undated" | "code">,
    Coded {
  /** By which records are sorted: the first moment of what `said` says, or when it became known. */
  occurredAt: Date;
  said: Said | null;
  integrity: Integrity;
  /** The FHIR resource that the record came from, with what was changed here. */
  source: Original | null;
}

/** A version that was replaced, as it is stored: a row of its own, named after the record. */
export interface PastVersion extends Omit<MedicalRecord, "hiddenAt"> {
  recordId: string;
}

/** What an author writes. */
export type RecordContent = Omit<
  MedicalRecord,
  keyof PatientOwned | "authorId" | "version" | "hiddenAt" | "integrity"
>;

export const MAX_VERSIONS = 1_000;

/**
 * When something occurred, as it was said; where nobody said when, it is sorted by when it became
 * known.
 */
export function occurred(
  said: string | null | undefined,
  knownAt: Date,
): Pick<MedicalRecord, "occurredAt" | "said"> {
  if (!said) return { occurredAt: knownAt, said: { occurredAt: "" } };
  const isInstant = !isPartialDate(said);
  return {
    occurredAt: new Date(isInstant ? said : firstDay(said)),
    said: isInstant ? null : { occurredAt: said },
  };
}

/** Whether title, code and its display hold what someone types, in any order of its words. */
export const isAbout = ({ title, code, codeDisplay }: MedicalRecord, typed: string): boolean =>
  holdsWords([termText([title, code, codeDisplay])], searchWords(typed));

/** The next version of a record with this content; the signature is made by the caller. */
export function nextVersion(
  record: MedicalRecord,
  content: RecordContent,
  authorId: string,
  now: Date,
): Omit<MedicalRecord, "integrity"> {
  const changed = { ...content, authorId, version: record.version + 1 };
  const { integrity: _former, ...next } = nextRevision(record, changed, now);
  return next;
}

/** The version that a newer original makes of a record, unsigned yet. Hidden here, it stays so. */
export const renewed = (made: MedicalRecord, former: MedicalRecord): MedicalRecord => ({
  ...made,
  version: former.version + 1,
  hiddenAt: former.hiddenAt,
});

/** The record hidden, every version kept; null if it is hidden already. */
export function hidden(record: MedicalRecord, now: Date): MedicalRecord | null {
  if (record.hiddenAt !== null) return null;
  return { ...record, rev: record.rev + 1, updatedAt: now, hiddenAt: now };
}

/** What is kept of a version when the next one takes its place. */
export function pastVersion(record: MedicalRecord, id: string): PastVersion {
  const { hiddenAt: _never, ...rest } = record;
  return { ...rest, id, rev: 1, recordId: record.id };
}

/** A past version as the record that it was. */
export function recordOf({ recordId, ...version }: PastVersion): MedicalRecord {
  return { ...version, id: recordId, hiddenAt: null };
}
