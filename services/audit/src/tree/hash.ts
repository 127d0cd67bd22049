import { hash } from "node:crypto";

/** Bytes of a SHA-256 digest; every hash of the tree has this length. */
export const HASH_BYTES = 32;

/** The Merkle Tree Hash of the empty list, RFC 6962 section 2.1. */
export const EMPTY_ROOT: Buffer = sha256(Buffer.alloc(0));

/** SHA-256 in one call: no stream object per hash, which halves the cost of short inputs. */
export function sha256(bytes: Uint8Array): Buffer {
  return hash("sha256", bytes, "buffer");
}

/** RFC 6962 section 2.1: MTH({d0}) = SHA-256(0x00 || d0). */
export function leafHash(entry: Uint8Array): Buffer {
  const input = Buffer.allocUnsafe(entry.length + 1);
  input[0] = 0x00;
  input.set(entry, 1);
  return sha256(input);
}

/** RFC 6962 section 2.1: MTH(D[n]) = SHA-256(0x01 || left || right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  const input = Buffer.allocUnsafe(1 + 2 * HASH_BYTES);
  input[0] = 0x01;
  input.set(left, 1);
  input.set(right, 1 + HASH_BYTES);
  return sha256(input);
}

/**
 * The Merkle Tree Hash over hashes that all stand at the same height, any number of them: the left
 * part is always the largest power of two smaller than the whole (RFC 6962 section 2.1).
 */
export function rootOfHashes(hashes: readonly Buffer[]): Buffer {
  const [first] = hashes;
  if (first === undefined) return EMPTY_ROOT;
  let row = hashes;
  while (row.length > 1) {
    const above: Buffer[] = [];
    for (let at = 0; at < row.length; at += 2) {
      const left = row[at] as Buffer;
      const right = row[at + 1];
      // An odd last one is carried up unchanged: the same tree as RFC 6962's recursion, bottom up.
      above.push(right === undefined ? left : nodeHash(left, right));
    }
    row = above;
  }
  return row[0] as Buffer;
}
