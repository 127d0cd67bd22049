import { timingSafeEqual } from "node:crypto";
import { aeadOpen, aeadSealInto, COMMITMENT_BYTES, freshNonce, NONCE_BYTES, TAG_BYTES } from "./aead.ts";
import { assertKey, type CommittedKey, deriveCommittedKey, type KeyMaterial } from "./bytes.ts";
import type { DerivingKey } from "./deriving-key.ts";
import {
  BoxCommitmentMismatch,
  BoxForged,
  BoxFormatUnknown,
  BoxKeyVersionMismatch,
  BoxSuiteUnknown,
  BoxTruncated,
} from "./errors.ts";
import { PartWriter } from "./part-writer.ts";
import { type Suite, suiteByte, suiteOf } from "./suites.ts";

/** FORMATS.md, "Sealed row box". */
const BOX_FORMAT = 0x01;
const PURPOSE = "medvault/row-box/v1";
const NONCE_AT = 6;
const COMMITMENT_AT = NONCE_AT + NONCE_BYTES;
const CIPHERTEXT_AT = COMMITMENT_AT + COMMITMENT_BYTES;

// Nothing here waits, so that a list is used up before the next one is begun.
const infoWriter = new PartWriter();
const aadWriter = new PartWriter();

/** What a box adds to its plaintext, in bytes. */
export const BOX_OVERHEAD_BYTES = CIPHERTEXT_AT + TAG_BYTES;

/** A patient's (or other subject's) key in one service: 32 random bytes, and its generation. */
export interface SubjectKey {
  readonly key: KeyMaterial;
  readonly version: number;
  /** The same key, where its holder keeps it for many boxes. */
  readonly deriving?: DerivingKey;
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

/** Seals a row's plaintext under its subject's key. The nonce is random, the row key its own. */
export function sealBox(
  subject: SubjectKey,
  context: BoxContext,
  plaintext: Buffer,
  suite: Suite = "aes-256-gcm",
): Buffer {
  return sealBoxWithNonceUnsafe(subject, context, plaintext, suite, freshNonce());
}

/** As sealBox with the caller's nonce: for published vectors only. A repeated one breaks it. */
export function sealBoxWithNonceUnsafe(
  subject: SubjectKey,
  context: BoxContext,
  plaintext: Buffer,
  suite: Suite,
  nonce: Buffer,
): Buffer {
  const aad = boxAad(suite, subject.version, context); // first: refuses what does not fit
  const box = Buffer.allocUnsafe(BOX_OVERHEAD_BYTES + plaintext.length);
  box[0] = BOX_FORMAT;
  box[1] = suiteByte(suite);
  box.writeUInt32BE(subject.version, 2);
  box.set(nonce, NONCE_AT);
  const { key, commitment } = deriveRowKey(subject, context, suite);
  box.set(commitment, COMMITMENT_AT);
  aeadSealInto(suite, key, nonce, aad, plaintext, box, CIPHERTEXT_AT);
  return box;
}

/**
 * Opens a box. Throws BoxTruncated, BoxFormatUnknown, BoxSuiteUnknown, BoxKeyVersionMismatch,
 * BoxCommitmentMismatch (other key, service, table, row or suite) or BoxForged (any other change).
 */
export function openBox(subject: SubjectKey, context: BoxContext, box: Buffer): Buffer {
  const { suite, keyVersion } = readBoxHeader(box);
  if (keyVersion !== subject.version) throw new BoxKeyVersionMismatch();
  const { key, commitment } = deriveRowKey(subject, context, suite);
  if (!timingSafeEqual(commitment, box.subarray(COMMITMENT_AT, CIPHERTEXT_AT))) {
    throw new BoxCommitmentMismatch();
  }
  const nonce = box.subarray(NONCE_AT, COMMITMENT_AT);
  const plaintext = aeadOpen(suite, key, nonce, boxAad(suite, keyVersion, context), box, CIPHERTEXT_AT);
  if (plaintext === null) throw new BoxForged();
  return plaintext;
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
function deriveRowKey({ key, deriving }: SubjectKey, context: BoxContext, suite: Suite): CommittedKey {
  const { service, table, rowId } = context;
  const info = infoWriter.begin().text(PURPOSE).text(suite).text(service).text(table).text(rowId).view();
  if (deriving === undefined) return deriveCommittedKey(key, info);
  assertKey(key);
  return deriving.derive(info);
}

/** The header's first three fields, as they stand in the box, then the context. */
function boxAad(suite: Suite, keyVersion: number, context: BoxContext): Buffer {
  return aadWriter
    .begin()
    .byte(BOX_FORMAT)
    .byte(suiteByte(suite))
    .u32(keyVersion, "key version")
    .text(context.service)
    .text(context.table)
    .text(context.rowId)
    .text(context.subjectId)
    .u64(context.rev, "rev")
    .text(context.typed)
    .text(context.open)
    .view();
}
