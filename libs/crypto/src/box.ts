import { randomFillSync, timingSafeEqual } from "node:crypto";
import { aeadOpen, aeadSealInto, COMMITMENT_BYTES, KEY_BYTES, NONCE_BYTES, TAG_BYTES } from "./aead.ts";
import { assertKey, hkdfSha256, type KeyMaterial, lengthPrefixed, u32, u64 } from "./bytes.ts";
import {
  BoxCommitmentMismatch,
  BoxForged,
  BoxFormatUnknown,
  BoxKeyVersionMismatch,
  BoxSuiteUnknown,
  BoxTruncated,
} from "./errors.ts";
import { type Suite, suiteByte, suiteOf } from "./suites.ts";

/** FORMATS.md, "Sealed row box". */
const BOX_FORMAT = 0x01;
const PURPOSE = "medvault/row-box/v1";
const NONCE_AT = 6;
const COMMITMENT_AT = NONCE_AT + NONCE_BYTES;
const CIPHERTEXT_AT = COMMITMENT_AT + COMMITMENT_BYTES;

/** What a box adds to its plaintext, in bytes. */
export const BOX_OVERHEAD_BYTES = CIPHERTEXT_AT + TAG_BYTES;

/** A patient's (or other subject's) key in one service: 32 random bytes, and which generation of them. */
export interface SubjectKey {
  readonly key: KeyMaterial;
  readonly version: number;
}

/** Where a box stands and what stands beside it. A box opens only with the very same context. */
export interface BoxContext {
  readonly service: string;
  readonly table: string;
  readonly rowId: string;
  readonly subjectId: string;
  /** Rises by one at every sealing of the row; at least 1. */
  readonly rev: number;
  /** Canonical JSON of the row's typed columns. */
  readonly typed: string;
  /** Canonical JSON of the row's open fields. */
  readonly open: string;
}

export interface BoxHeader {
  readonly suite: Suite;
  readonly keyVersion: number;
}

/** Seals a row's plaintext under its subject's key. The nonce is random; the row key is of this row alone. */
export function sealBox(
  subject: SubjectKey,
  context: BoxContext,
  plaintext: Buffer,
  suite: Suite = "aes-256-gcm",
): Buffer {
  const nonce = randomFillSync(Buffer.allocUnsafe(NONCE_BYTES));
  return sealBoxWithNonceUnsafe(subject, context, plaintext, suite, nonce);
}

/** As sealBox, with a nonce that the caller answers for: for published vectors only. A repeated nonce breaks the box. */
export function sealBoxWithNonceUnsafe(
  subject: SubjectKey,
  context: BoxContext,
  plaintext: Buffer,
  suite: Suite,
  nonce: Buffer,
): Buffer {
  const box = Buffer.allocUnsafe(BOX_OVERHEAD_BYTES + plaintext.length);
  box[0] = BOX_FORMAT;
  box[1] = suiteByte(suite);
  u32(subject.version, "key version").copy(box, 2);
  nonce.copy(box, NONCE_AT);
  const derived = deriveRowKey(subject.key, context, suite);
  derived.copy(box, COMMITMENT_AT, KEY_BYTES);
  const rowKey = derived.subarray(0, KEY_BYTES);
  aeadSealInto(suite, rowKey, nonce, boxAad(box, context), plaintext, box, CIPHERTEXT_AT);
  derived.fill(0);
  return box;
}

/**
 * Opens a box. Throws BoxTruncated, BoxFormatUnknown, BoxSuiteUnknown, BoxKeyVersionMismatch,
 * BoxCommitmentMismatch (other key, service, table, row or suite) or BoxForged (anything else changed).
 */
export function openBox(subject: SubjectKey, context: BoxContext, box: Buffer): Buffer {
  const { suite, keyVersion } = readBoxHeader(box);
  if (keyVersion !== subject.version) throw new BoxKeyVersionMismatch();
  const derived = deriveRowKey(subject.key, context, suite);
  try {
    if (!timingSafeEqual(derived.subarray(KEY_BYTES), box.subarray(COMMITMENT_AT, CIPHERTEXT_AT))) {
      throw new BoxCommitmentMismatch();
    }
    const nonce = box.subarray(NONCE_AT, COMMITMENT_AT);
    const rowKey = derived.subarray(0, KEY_BYTES);
    const plaintext = aeadOpen(suite, rowKey, nonce, boxAad(box, context), box.subarray(CIPHERTEXT_AT));
    if (plaintext === null) throw new BoxForged();
    return plaintext;
  } finally {
    derived.fill(0);
  }
}

/** Reads the header without a key. Throws BoxTruncated, BoxFormatUnknown or BoxSuiteUnknown. */
export function readBoxHeader(box: Buffer): BoxHeader {
  if (box.length < BOX_OVERHEAD_BYTES) throw new BoxTruncated();
  if (box[0] !== BOX_FORMAT) throw new BoxFormatUnknown();
  const suite = suiteOf(box[1] ?? 0);
  if (suite === null) throw new BoxSuiteUnknown();
  return { suite, keyVersion: box.readUInt32BE(2) };
}

/** row key ‖ commitment, 64 bytes. */
function deriveRowKey(key: KeyMaterial, context: BoxContext, suite: Suite): Buffer {
  assertKey(key);
  const info = lengthPrefixed(PURPOSE, suite, context.service, context.table, context.rowId);
  return hkdfSha256(key, info, KEY_BYTES + COMMITMENT_BYTES);
}

/** The header's first three fields, as they stand in the box, then the context. */
function boxAad(box: Buffer, context: BoxContext): Buffer {
  return lengthPrefixed(
    box.subarray(0, 1),
    box.subarray(1, 2),
    box.subarray(2, 6),
    context.service,
    context.table,
    context.rowId,
    context.subjectId,
    u64(context.rev, "rev"),
    context.typed,
    context.open,
  );
}
