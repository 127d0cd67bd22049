import { timingSafeEqual } from "node:crypto";
import {
  aeadOpen,
  aeadSealInto,
  COMMITMENT_BYTES,
  freshNonce,
  KEY_BYTES,
  NONCE_BYTES,
  TAG_BYTES,
} from "./aead.ts";
import { type CommittedKey, deriveCommittedKey, type KeyMaterial, lengthPrefixed, u32 } from "./bytes.ts";
import {
  KeyInvalid,
  WrappedKeyCommitmentMismatch,
  WrappedKeyForged,
  WrappedKeyFormatUnknown,
  WrappedKeyTruncated,
} from "./errors.ts";

/** FORMATS.md, "Wrapped key". Always AES-256-GCM: what is wrapped is 32 random bytes. */
const WRAPPED_KEY_FORMAT = 0x02;
const SUITE = "aes-256-gcm";
const SUITE_BYTE = 0x01;
const PURPOSE = "medvault/wrapped-key/v1";
const NONCE_AT = 10;
const COMMITMENT_AT = NONCE_AT + NONCE_BYTES;
const CIPHERTEXT_AT = COMMITMENT_AT + COMMITMENT_BYTES;

/** The length of every wrapped key, in bytes. */
export const WRAPPED_KEY_BYTES = CIPHERTEXT_AT + KEY_BYTES + TAG_BYTES;

export interface WrappedKeyHeader {
  /** Which version of the service key wraps it. */
  readonly serviceKeyVersion: number;
  /** Which generation of itself the wrapped key is. */
  readonly keyVersion: number;
}

/** A key that wraps others: 32 random bytes, and which version of the service key they are. */
export interface WrappingKey {
  readonly key: KeyMaterial;
  readonly version: number;
}

/**
 * Wraps a 32-byte key. `context` names its owner (service, kind, name): unwrapping takes the same.
 * Each context has its own wrapping key: random nonces never come near one key's limit.
 */
export function wrapKey(
  by: WrappingKey,
  context: readonly string[],
  key: Buffer,
  keyVersion: number,
): Buffer {
  return wrapKeyWithNonceUnsafe(by, context, key, keyVersion, freshNonce());
}

/** As wrapKey, with a nonce that the caller answers for: for published vectors only. */
export function wrapKeyWithNonceUnsafe(
  by: WrappingKey,
  context: readonly string[],
  key: Buffer,
  keyVersion: number,
  nonce: Buffer,
): Buffer {
  if (key.length !== KEY_BYTES) throw new KeyInvalid();
  const out = Buffer.allocUnsafe(WRAPPED_KEY_BYTES);
  out[0] = WRAPPED_KEY_FORMAT;
  out[1] = SUITE_BYTE;
  u32(by.version, "service key version").copy(out, 2);
  u32(keyVersion, "key version").copy(out, 6);
  nonce.copy(out, NONCE_AT);
  const wrapping = deriveWrappingKey(by.key, context);
  out.set(wrapping.commitment, COMMITMENT_AT);
  aeadSealInto(SUITE, wrapping.key, nonce, wrapAad(out, context), key, out, CIPHERTEXT_AT);
  return out;
}

/**
 * Unwraps a key; the caller wipes it. `by` is the header's version of the service key. Throws
 * WrappedKeyTruncated, WrappedKeyFormatUnknown, WrappedKeyCommitmentMismatch or WrappedKeyForged.
 */
export function unwrapKey(by: WrappingKey, context: readonly string[], wrapped: Buffer): Buffer {
  const { serviceKeyVersion } = readWrappedKeyHeader(wrapped);
  if (serviceKeyVersion !== by.version) throw new WrappedKeyCommitmentMismatch();
  const wrapping = deriveWrappingKey(by.key, context);
  if (!timingSafeEqual(wrapping.commitment, wrapped.subarray(COMMITMENT_AT, CIPHERTEXT_AT))) {
    throw new WrappedKeyCommitmentMismatch();
  }
  const nonce = wrapped.subarray(NONCE_AT, COMMITMENT_AT);
  const key = aeadOpen(SUITE, wrapping.key, nonce, wrapAad(wrapped, context), wrapped, CIPHERTEXT_AT);
  if (key === null) throw new WrappedKeyForged();
  return key;
}

/** Reads the versions without a key. Throws WrappedKeyTruncated or WrappedKeyFormatUnknown. */
export function readWrappedKeyHeader(wrapped: Buffer): WrappedKeyHeader {
  if (wrapped.length !== WRAPPED_KEY_BYTES) throw new WrappedKeyTruncated();
  if (wrapped[0] !== WRAPPED_KEY_FORMAT || wrapped[1] !== SUITE_BYTE) throw new WrappedKeyFormatUnknown();
  return { serviceKeyVersion: wrapped.readUInt32BE(2), keyVersion: wrapped.readUInt32BE(6) };
}

function deriveWrappingKey(key: KeyMaterial, context: readonly string[]): CommittedKey {
  return deriveCommittedKey(key, lengthPrefixed(PURPOSE, SUITE, ...context));
}

function wrapAad(wrapped: Buffer, context: readonly string[]): Buffer {
  return lengthPrefixed(
    wrapped.subarray(0, 1),
    wrapped.subarray(1, 2),
    wrapped.subarray(2, 6),
    wrapped.subarray(6, 10),
    ...context,
  );
}
