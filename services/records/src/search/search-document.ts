import { createHash } from "node:crypto";
import { type BoxContext, paddedLength, sealBox } from "@medvault/crypto";
import { type Keyring, openBoxes, searchedFields } from "@medvault/keys";
import {
  DocumentRefused,
  decodeDocument,
  encodeDocument,
  FOLDING_VERSION,
  LAYOUT_BYTES,
  type SearchDocument,
} from "@medvault/search";
import { patients } from "../patients/patient.table.ts";
import { prescriptions } from "../prescriptions/prescription.table.ts";
import type { MergedChart } from "../resources/chart.ts";

/** To be raised when indexed-patient.ts or indexed-prescription.ts takes in anything else. */
const CONTENT_VERSION = 1;
const LENGTH_BYTES = 4;

/** A document as it lies in the table, and what its patient's rows are now. */
export interface StoredDocument {
  readonly id: string;
  /** The patient's wrapped key. */
  readonly subject_key: Buffer;
  /** Null, as `sealed`: there is none. */
  readonly rev: number | null;
  readonly sealed: Buffer | null;
  /**
   * The fingerprint of the patient's rows, 16 bytes in hex: of their ids and revisions, their
   * number, and the revision of the patient's own row.
   */
  readonly print: string;
  /** The merged chart of the patient, or null. */
  readonly chart: MergedChart | null;
  /** Whether it is to be written again anyhow. */
  readonly isAwaited: boolean;
}

/** How many rows a patient has, by their fingerprint. */
export const rowsIn = (stored: StoredDocument | undefined): number =>
  stored ? Number.parseInt(stored.print.slice(16, 24), 16) : 0;

/**
 * Of which fields and by which folding documents are made here and now. One that says another was
 * made under another policy, by another version, or under other tables of Unicode.
 */
export function layoutNow(): string {
  const fields = [patients, prescriptions].map(({ table }) => [...searchedFields(table.declaration)].sort());
  const made = [CONTENT_VERSION, FOLDING_VERSION, process.versions.unicode, fields];
  return createHash("sha256")
    .update(JSON.stringify(made))
    .digest("hex")
    .slice(0, 2 * LAYOUT_BYTES);
}

/**
 * Seals a document under its patient's key, as the next after the one at `formerRev`: its length,
 * itself, and zeros up to a padded length. Throws DocumentRefused, or as unwrapping does.
 */
export function sealDocument(
  keyring: Keyring,
  wrapped: Buffer,
  formerRev: number | null,
  document: SearchDocument,
): { rev: number; sealed: Buffer } {
  const bytes = encodeDocument(document);
  const plaintext = Buffer.alloc(paddedLength(LENGTH_BYTES + bytes.length));
  plaintext.writeUInt32BE(bytes.length);
  bytes.copy(plaintext, LENGTH_BYTES);
  const { id } = document.patient;
  const rev = (formerRev ?? 0) + 1;
  const { suite } = patients.table.declaration;
  const sealed = sealBox(keyring.subjectKey(wrapped, id), contextOf(keyring, id, rev), plaintext, suite);
  plaintext.fill(0);
  bytes.fill(0);
  return { rev, sealed };
}

/**
 * Opens documents, in order, many of them in threads; null for one that is not there, does not open
 * in its place, or cannot be read. Whether it is of the rows of now its `layout` and `print` say.
 */
export async function openDocuments(
  keyring: Keyring,
  stored: readonly StoredDocument[],
): Promise<(SearchDocument | null)[]> {
  const there = stored.filter(({ sealed }) => sealed !== null);
  const plaintexts = await openBoxes(
    keyring,
    there.map(({ id, subject_key: wrapped, rev, sealed }) => ({
      wrapped,
      context: contextOf(keyring, id, rev ?? 0),
      box: sealed ?? Buffer.alloc(0),
    })),
  );
  const opened = new Map(there.map((one, at) => [one, plaintexts[at] ?? null]));
  return stored.map((one) => documentIn(one.id, opened.get(one) ?? null));
}

function documentIn(patientId: string, plaintext: Buffer | null): SearchDocument | null {
  if (plaintext === null || plaintext.length < LENGTH_BYTES) return null;
  try {
    const end = LENGTH_BYTES + plaintext.readUInt32BE();
    return end <= plaintext.length ? decodeDocument(patientId, plaintext.subarray(LENGTH_BYTES, end)) : null;
  } catch (error) {
    if (error instanceof DocumentRefused) return null;
    throw error;
  } finally {
    plaintext.fill(0);
  }
}

/** Bound to its patient and revision: nobody else's opens in its place. */
const contextOf = ({ service }: Keyring, patientId: string, rev: number): BoxContext => ({
  service,
  table: "search_documents",
  rowId: patientId,
  subjectId: patientId,
  rev,
  typed: "{}",
  open: "{}",
});
