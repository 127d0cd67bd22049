import { createHash } from "node:crypto";
import { canonicalJson } from "./canonical-json.ts";
import { type Ed25519PublicJwk, publicKeyOf, verifyEd25519 } from "./signatures.ts";

/** One erasure, as the ledger of erasures has it. */
export interface ErasureEntry {
  /** 1 and up, without gaps. */
  readonly number: number;
  /** Every id of the chart, sorted: UUIDs in lower case. */
  readonly patientIds: readonly string[];
  /** ISO 8601, UTC, milliseconds. */
  readonly erasedAt: string;
  /** The hash of the entry before, hex; null of the first. */
  readonly previous: string | null;
}

export interface SignedErasure extends ErasureEntry {
  readonly publicKey: Ed25519PublicJwk;
  /** Ed25519 over the statement, base64. */
  readonly signature: string;
}

/**
 * The text whose UTF-8 bytes are signed: canonical JSON, so that anyone can make it again.
 * FORMATS.md, "Erasure ledger".
 */
export function erasureStatement({ number, patientIds, erasedAt, previous }: ErasureEntry): string {
  const purpose = "medvault/erasure-ledger/v1";
  return canonicalJson({ purpose, number, patientIds: [...patientIds], erasedAt, previous });
}

/** By which the next entry names this one, and the audit log too: SHA-256 of its statement, hex. */
export const erasureHash = (entry: ErasureEntry): string =>
  createHash("sha256").update(erasureStatement(entry), "utf8").digest("hex");

/**
 * Whether these are the first entries of one ledger: numbered from 1 without a gap, each chained to
 * the one before and signed by the key that it names, which is one of `keys` where these are given.
 */
export function isErasureLedger(
  entries: readonly SignedErasure[],
  keys: readonly Ed25519PublicJwk[] | null = null,
): boolean {
  return entries.every((entry, at) => {
    const before = entries[at - 1];
    const { number, previous, publicKey } = entry;
    if (number !== at + 1 || previous !== (before ? erasureHash(before) : null)) return false;
    if (keys !== null && !keys.some(({ x }) => x === publicKey.x)) return false;
    return isSignedErasure(entry);
  });
}

/** Whether an entry is signed by the key that it names. */
export function isSignedErasure(entry: SignedErasure): boolean {
  const message = Buffer.from(erasureStatement(entry), "utf8");
  return verifyEd25519(publicKeyOf(entry.publicKey), message, Buffer.from(entry.signature, "base64"));
}
