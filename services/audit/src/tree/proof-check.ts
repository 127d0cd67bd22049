import { HASH_BYTES, nodeHash } from "./hash.ts";

/**
 * The root that an inclusion proof leads to (RFC 9162 2.1.3.2, same trees as RFC 6962); null when
 * its length does not fit the leaf's place. The caller compares it with a root that it trusts.
 */
export function rootFromInclusion(
  leaf: Buffer,
  index: number,
  size: number,
  proof: readonly Buffer[],
): Buffer | null {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return null;
  if (![leaf, ...proof].every(isHash)) return null;
  let [node, last, hash] = [index, size - 1, leaf];
  for (const sibling of proof) {
    if (last === 0) return null;
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash);
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)];
    } else {
      hash = nodeHash(hash, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 ? hash : null;
}

/**
 * Whether `proof` shows that the tree (to, toRoot) extends (from, fromRoot): RFC 9162 2.1.4.2. From
 * 0 proves nothing.
 */
export function consistencyHolds(
  from: number,
  fromRoot: Buffer,
  to: number,
  toRoot: Buffer,
  proof: readonly Buffer[],
): boolean {
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 1 || from > to) return false;
  if (from === to) return proof.length === 0 && fromRoot.equals(toRoot);
  if (![fromRoot, toRoot, ...proof].every(isHash)) return false;
  let [node, last] = [from - 1, to - 1];
  while (node % 2 === 1) [node, last] = [half(node), half(last)];
  // A first tree that is a perfect one is itself the first node, and is left out of the proof.
  const path = node === 0 ? [fromRoot, ...proof] : [...proof];
  const first = path.shift();
  if (first === undefined) return false;
  let [older, newer] = [first, first];
  for (const sibling of path) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      older = nodeHash(sibling, older);
      newer = nodeHash(sibling, newer);
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)];
    } else {
      newer = nodeHash(newer, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && older.equals(fromRoot) && newer.equals(toRoot);
}

/** Without this an "empty hash" on both sides would agree with itself. */
function isHash(bytes: Buffer): boolean {
  return bytes.length === HASH_BYTES;
}

function half(n: number): number {
  return Math.floor(n / 2);
}
