import { sha256 } from "../tree/hash.ts";
import type { BodySeal } from "./body-seal.ts";
import type { LeafRow, NewRow } from "./log.store.ts";
import { WriterRefuses } from "./writer.errors.ts";

/** Sealed bodies that are remembered, in all; what is beyond is opened instead. */
const MAX_BYTES = 32 * 1024 * 1024;

/** The row that a writer put at a place of the log. */
export type OwnRow = Pick<NewRow, "id" | "leaf" | "sealed">;

/**
 * What this writer appended and no checkpoint covers yet. A row that it remembers has to be what it
 * appended, byte for byte. Any other (of a writer before it, or one whose commit was not answered)
 * has to be sealed for its place under the log's key, which Postgres does not hold, and its leaf
 * has to be the one of that body.
 */
export interface OwnEntries {
  /** How long the log is at the least: where the last append that committed left it. */
  readonly size: number;
  /** Rows that were appended at `from` and are committed. */
  add(from: number, rows: readonly OwnRow[]): void;
  /** @throws WriterRefuses where a row is not one that a writer of this log appended */
  require(rows: readonly LeafRow[]): void;
  /** A checkpoint covers the first `size` entries. */
  forget(size: number): void;
}

export function createOwnEntries(seal: BodySeal): OwnEntries {
  const known = new Map<number, OwnRow>();
  let [end, bytes] = [0, 0];

  function isOwn({ idx, id, leaf, sealed }: LeafRow): boolean {
    const own = known.get(idx);
    if (own) return own.id === id && own.leaf.equals(leaf) && own.sealed.equals(sealed);
    const body = seal.open(idx, id, sealed);
    return body !== null && sha256(body).equals(leaf);
  }

  return {
    get size() {
      return end;
    },
    add(from, rows) {
      end = Math.max(end, from + rows.length);
      for (const [at, row] of rows.entries()) {
        if (bytes + row.sealed.length > MAX_BYTES) return;
        known.set(from + at, row);
        bytes += row.sealed.length;
      }
    },
    require(rows) {
      const foreign = rows.find((row) => !isOwn(row));
      if (foreign === undefined) return;
      const words = `entry ${foreign.idx} is not what a writer of this log appended (docs/audit-log.md, "Healing")`;
      throw new WriterRefuses("foreign_entry", words);
    },
    forget(size) {
      for (const [idx, { sealed }] of known) {
        if (idx >= size) continue;
        known.delete(idx);
        bytes -= sealed.length;
      }
    },
  };
}
