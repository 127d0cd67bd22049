import { createHash } from "node:crypto";

/**
 * RFC 6962 section 2.1 written down word for word, recursive and slow: the second implementation
 * that the fast one is held against. It shares nothing with it.
 */
const h = (...parts: Uint8Array[]): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();

/** MTH(D[n]). */
export function plainRoot(entries: readonly Uint8Array[]): Buffer {
  if (entries.length === 0) return h();
  if (entries.length === 1) return h(Buffer.from([0]), entries[0] as Uint8Array);
  const k = split(entries.length);
  return h(Buffer.from([1]), plainRoot(entries.slice(0, k)), plainRoot(entries.slice(k)));
}

/** PATH(m, D[n]). */
export function plainPath(m: number, entries: readonly Uint8Array[]): Buffer[] {
  if (entries.length <= 1) return [];
  const k = split(entries.length);
  return m < k
    ? [...plainPath(m, entries.slice(0, k)), plainRoot(entries.slice(k))]
    : [...plainPath(m - k, entries.slice(k)), plainRoot(entries.slice(0, k))];
}

/** PROOF(m, D[n]). */
export function plainProof(m: number, entries: readonly Uint8Array[]): Buffer[] {
  return subproof(m, entries, true);
}

function subproof(m: number, entries: readonly Uint8Array[], whole: boolean): Buffer[] {
  if (m === entries.length) return whole ? [] : [plainRoot(entries)];
  const k = split(entries.length);
  return m <= k
    ? [...subproof(m, entries.slice(0, k), whole), plainRoot(entries.slice(k))]
    : [...subproof(m - k, entries.slice(k), false), plainRoot(entries.slice(0, k))];
}

function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}
