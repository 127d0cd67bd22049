import type { BodySeal } from "../log/body-seal.ts";
import { columnsOf, eventOf } from "../log/entry.ts";
import type { LogRow } from "../log/log.store.ts";
import type { OutsideBody } from "../outside/body-bundle.ts";
import { leafHash, sha256 } from "../tree/hash.ts";
import { requireRow } from "../verification/verification.ts";

/** An entry that its body proves: sealed for its place, under a key that Postgres does not hold. */
export type ProvenRow = LogRow & { readonly body: Buffer };

/** What is known of one place of the log. */
export interface Place {
  readonly idx: number;
  /** The hash in the tree; null where nothing tells it. */
  readonly hash: Buffer | null;
  /** The row as it has to be; null where no body of it is left. */
  readonly right: ProvenRow | null;
  /** What is to be done with the row in Postgres. */
  readonly row: "good" | "missing" | "edited" | "bodiless" | "gone";
  readonly isKeptOutside: boolean;
}

/**
 * Which of two stories is tried: `bodies`, sealed under a key that neither store holds, or where
 * they do not give the signed root (the key was stolen), the `tiles` outside.
 */
export type Trust = "bodies" | "tiles";

/** The row that a sealed body gives; null where it does not open at this place. */
export function proven(
  seal: BodySeal,
  idx: number,
  found: { id: string; sealed: Buffer } | undefined,
): ProvenRow | null {
  const body = found && seal.open(idx, found.id, found.sealed);
  if (!body) return null;
  const leaf = sha256(body);
  const event = eventOf(body, leaf);
  return event && { ...columnsOf(event), idx, leaf, sealed: found.sealed, body };
}

/** @param hash what the tile outside says, if anything */
export function placeOf(
  seal: BodySeal,
  trust: Trust,
  idx: number,
  found: { row: LogRow | undefined; kept: OutsideBody | undefined; hash: Buffer | undefined },
): Place {
  const { row, kept } = found;
  const candidates = [proven(seal, idx, row), proven(seal, idx, kept)].filter((each) => each !== null);
  const fits = candidates.find(({ leaf }) => found.hash && leafHash(leaf).equals(found.hash));
  const right = fits ?? (trust === "bodies" || !found.hash ? (candidates[0] ?? null) : null);
  const hash = right ? leafHash(right.leaf) : (found.hash ?? null);
  if (!right) {
    const hasLeaf = row !== undefined && hash !== null && leafHash(row.leaf).equals(hash);
    return { idx, hash, right, row: hasLeaf ? "bodiless" : "gone", isKeptOutside: kept !== undefined };
  }
  const isKeptOutside = kept?.id === right.id && kept.sealed.equals(right.sealed);
  const state = row === undefined ? "missing" : isGood(seal, row, right) ? "good" : "edited";
  return { idx, hash, right, row: state, isKeptOutside };
}

function isGood(seal: BodySeal, row: LogRow, right: ProvenRow): boolean {
  try {
    requireRow(seal, row, right.idx);
    return row.leaf.equals(right.leaf) && row.sealed.equals(right.sealed);
  } catch {
    return false;
  }
}
