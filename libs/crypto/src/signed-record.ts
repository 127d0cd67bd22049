import { createHash } from "node:crypto";
import { canonicalJson } from "./canonical-json.ts";
import { DEFAULT_DIGEST, type Digest } from "./suites.ts";

/** What the signature over one version of a record is over. */
export interface SignedRecord {
  /** UUIDs, in lower case. */
  readonly recordId: string;
  readonly patientId: string;
  readonly version: number;
  /** Hex, by `digest`. */
  readonly contentHash: string;
  readonly digest: Digest;
  readonly signedBy: string;
  /** ISO 8601, UTC, milliseconds. */
  readonly signedAt: string;
}

/** The digest of a value's canonical JSON (RFC 8785), lower-case hex. Throws NotCanonicalJson. */
export function contentHashOf(content: unknown, digest: Digest): string {
  return createHash(digest).update(canonicalJson(content), "utf8").digest("hex");
}

/**
 * The text whose UTF-8 bytes are signed for a record: canonical JSON, so that anyone can make it
 * again. The digest is named where it is not SHA-256, so that a signature under one digest is good
 * for no other. FORMATS.md, "Signature over a record".
 */
export function recordStatement(record: SignedRecord): string {
  const { recordId, patientId, version, contentHash, digest, signedBy, signedAt } = record;
  return canonicalJson({
    purpose: "medvault/medical-record/v1",
    recordId,
    patientId,
    version,
    contentHash,
    digest: digest === DEFAULT_DIGEST ? undefined : digest,
    signedBy,
    signedAt,
  });
}
