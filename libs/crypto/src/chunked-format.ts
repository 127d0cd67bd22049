import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  timingSafeEqual,
} from "node:crypto";
import { COMMITMENT_BYTES, KEY_BYTES, NONCE_BYTES, TAG_BYTES } from "./aead.ts";
import { lengthPrefixed } from "./bytes.ts";
import {
  ChunkedCommitmentMismatch,
  ChunkedRangeInvalid,
  ChunkedTooLong,
  ChunkedTruncated,
  ChunkForged,
  KeyInvalid,
} from "./errors.ts";

/**
 * C2SP chunked encryption, Cobblestone-256 (HKDF-Expand-SHA-512, AES-256-GCM):
 * https://c2sp.org/chunked-encryption Every function here is a sentence of that page.
 */
const AEAD_NAME = "AEAD_AES_256_GCM";
const INFO_PREFIX = Buffer.from(`c2sp.org/chunked-encryption@v1+${AEAD_NAME}\0`, "ascii");
const MAX_CHUNKS = 2 ** 38;

export const SALT_BYTES = 24;
export const HEADER_BYTES = SALT_BYTES + COMMITMENT_BYTES;
export const CHUNK_BYTES = 16_384;
export const SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES;

const TAG = { authTagLength: TAG_BYTES } as const;

/** What one message is encrypted with. `wipe` it when done. */
export interface MessageKeys {
  /** Cleansed by OpenSSL when collected. As bytes it would cost each chunk half its time. */
  readonly key: KeyObject;
  readonly baseNonce: Buffer;
  /** Room for the nonce of one chunk. */
  readonly nonce: Buffer;
  readonly commitment: Buffer;
  wipe(): void;
}

/** key ‖ base nonce ‖ commitment = HKDF-Expand(input key, name ‖ 0x00 ‖ salt ‖ context). */
export function deriveMessageKeys(inputKey: Buffer, salt: Buffer, context: Buffer): MessageKeys {
  if (inputKey.length !== KEY_BYTES) throw new KeyInvalid();
  const info = Buffer.concat([INFO_PREFIX, salt, context]);
  const first = createHmac("sha512", inputKey).update(info).update(Buffer.of(1)).digest();
  const second = createHmac("sha512", inputKey).update(first).update(info).update(Buffer.of(2)).digest();
  const okm = Buffer.concat([first, second]);
  const nonceEnd = KEY_BYTES + NONCE_BYTES;
  const key = createSecretKey(okm.subarray(0, KEY_BYTES));
  for (const secret of [first, second, okm.subarray(0, KEY_BYTES)]) secret.fill(0);
  return {
    key,
    baseNonce: okm.subarray(KEY_BYTES, nonceEnd),
    nonce: Buffer.alloc(NONCE_BYTES),
    commitment: okm.subarray(nonceEnd, nonceEnd + COMMITMENT_BYTES),
    wipe: () => void okm.fill(0),
  };
}

/** The keys of the message with these first 56 bytes. Throws ChunkedCommitmentMismatch. */
export function openHeader(inputKey: Buffer, context: Buffer, header: Buffer): MessageKeys {
  if (header.length < HEADER_BYTES) throw new ChunkedTruncated();
  const keys = deriveMessageKeys(inputKey, header.subarray(0, SALT_BYTES), context);
  if (!timingSafeEqual(keys.commitment, header.subarray(SALT_BYTES, HEADER_BYTES))) {
    keys.wipe();
    throw new ChunkedCommitmentMismatch();
  }
  return keys;
}

/** Encrypts chunk `index`: ciphertext and tag, not joined: copying is a third of the time. */
export function sealChunk(
  keys: MessageKeys,
  index: number,
  chunk: Buffer,
): [ciphertext: Buffer, tag: Buffer] {
  const cipher = createCipheriv("aes-256-gcm", keys.key, chunkNonce(keys, index), TAG);
  const ciphertext = cipher.update(chunk);
  cipher.final();
  return [ciphertext, cipher.getAuthTag()];
}

/** Decrypts chunk `index`, ciphertext and tag. Throws ChunkForged, and releases nothing. */
export function openChunk(keys: MessageKeys, index: number, sealed: Buffer): Buffer {
  const end = sealed.length - TAG_BYTES;
  if (end < 0) throw new ChunkedTruncated();
  const decipher = createDecipheriv("aes-256-gcm", keys.key, chunkNonce(keys, index), TAG);
  decipher.setAuthTag(sealed.subarray(end));
  const chunk = decipher.update(sealed.subarray(0, end));
  try {
    decipher.final();
  } catch {
    chunk.fill(0);
    throw new ChunkForged();
  }
  return chunk;
}

/** As sealChunk, into `out` from `at` on. Returns how many bytes it wrote. */
export function sealChunkInto(
  keys: MessageKeys,
  index: number,
  chunk: Buffer,
  out: Buffer,
  at: number,
): number {
  const [ciphertext, tag] = sealChunk(keys, index, chunk);
  out.set(ciphertext, at);
  out.set(tag, at + chunk.length);
  release(ciphertext);
  return chunk.length + TAG_BYTES;
}

/** As openChunk, into `out` from `at` on. Returns how many bytes it wrote. */
export function openChunkInto(
  keys: MessageKeys,
  index: number,
  sealed: Buffer,
  out: Buffer,
  at: number,
): number {
  const chunk = openChunk(keys, index, sealed);
  const { length } = chunk;
  out.set(chunk, at);
  release(chunk);
  return length;
}

/**
 * Gives the memory of a cipher's output back at once. node:crypto makes a buffer for every update
 * and leaves it to the collector, which lets 64 MiB of them gather.
 */
function release(output: Buffer): void {
  const { buffer } = output;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === output.length) buffer.transfer(0);
}

/** Base nonce XOR the chunk's number, big-endian. A view that is good until the next call. */
function chunkNonce(keys: MessageKeys, index: number): Buffer {
  if (index >= MAX_CHUNKS) throw new ChunkedTooLong();
  const { baseNonce, nonce } = keys;
  const low = NONCE_BYTES - 4;
  nonce.set(baseNonce);
  nonce.writeUInt32BE((baseNonce.readUInt32BE(low) ^ (index % 0x1_0000_0000)) >>> 0, low);
  nonce[low - 1] = (baseNonce[low - 1] ?? 0) ^ Math.floor(index / 0x1_0000_0000);
  return nonce;
}

/** How long a message of `plaintextBytes` is when encrypted. Throws ChunkedTooLong past 4 PiB. */
export function sealedSize(plaintextBytes: number): number {
  if (!Number.isSafeInteger(plaintextBytes) || plaintextBytes < 0) throw new ChunkedRangeInvalid();
  const chunks = Math.floor(plaintextBytes / CHUNK_BYTES) + 1;
  if (chunks > MAX_CHUNKS) throw new ChunkedTooLong();
  return HEADER_BYTES + plaintextBytes + chunks * TAG_BYTES;
}

/** How long the message in `sealedBytes` is. Throws ChunkedTruncated for an impossible length. */
export function plaintextSize(sealedBytes: number): number {
  const body = sealedBytes - HEADER_BYTES;
  const last = body % SEALED_CHUNK_BYTES;
  if (!Number.isSafeInteger(sealedBytes) || body < 0 || last < TAG_BYTES) throw new ChunkedTruncated();
  const fullChunks = Math.floor(body / SEALED_CHUNK_BYTES);
  if (fullChunks >= MAX_CHUNKS) throw new ChunkedTooLong();
  return fullChunks * CHUNK_BYTES + last - TAG_BYTES;
}

/** The context of a stored file: its service and id, so that no file can stand in for another. */
export function fileContext(service: string, fileId: string): Buffer {
  return lengthPrefixed("medvault/file/v1", service, fileId);
}
