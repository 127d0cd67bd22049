// Where two accounts of the same entries differ, and what was done to the one that is false.
import { HASH_BYTES, hexOf, isEqual } from "./bytes.mjs";

/** @typedef {{ index: number, is: Uint8Array, should: Uint8Array }} Difference */
/**
 * What was found; `index` is the first entry that is concerned, where that can be told.
 * @typedef {{ kind: string, index: number | null, words: string, count?: number }} Finding
 */

/** Differences that are kept to tell what was done; all are counted. */
const MAX_KEPT = 4_096;
/** A missing entry is sent as zeros, which is no hash of anything. */
const MISSING = new Uint8Array(HASH_BYTES);

/** @param {Uint8Array} hash */
export const isMissing = (hash) => isEqual(hash, MISSING);

/** Where one account is not another. */
export class Differences {
  count = 0;
  /** @type {Difference[]} */
  list = [];

  /**
   * @param {number} from index of the first hash
   * @param {Uint8Array} is
   * @param {Uint8Array} should
   */
  add(from, is, should) {
    if (isEqual(is, should)) return;
    for (let at = 0; at < is.length; at += HASH_BYTES) {
      const [one, other] = [is.subarray(at, at + HASH_BYTES), should.subarray(at, at + HASH_BYTES)];
      if (isEqual(one, other)) continue;
      this.count += 1;
      if (this.list.length < MAX_KEPT)
        this.list.push({ index: from + at / HASH_BYTES, is: one.slice(), should: other.slice() });
    }
  }
}

/**
 * What was done, as far as it can be told; null where nothing differs.
 * @param {Pick<Differences, "count" | "list">} differences of the false account from the true one
 * @param {string} where what is false, such as "the database"
 * @returns {Finding | null}
 */
export function whatWasDone({ count, list }, where) {
  const [first] = list;
  if (first === undefined) return null;
  /**
   * @param {string} kind
   * @param {string} words
   */
  const found = (kind, words) => ({ kind, index: first.index, words: `in ${where} ${words}`, count });
  if (isMissing(first.is)) {
    const missing = list.filter(({ is }) => isMissing(is)).length;
    return found("deleted", `${entries(missing, count)} deleted, the first is entry ${first.index}`);
  }
  if (count === 1) return found("edited", `entry ${first.index} was edited`);
  const [is, should] = [list.map((one) => hexOf(one.is)), list.map((one) => hexOf(one.should))];
  if (count === list.length && is.toSorted().join() === should.toSorted().join()) {
    const last = list.at(-1)?.index;
    return count === 2
      ? found("swapped", `entries ${first.index} and ${last} were swapped`)
      : found("reordered", `${count} entries from ${first.index} to ${last} were put into another order`);
  }
  const gone = shiftOf(is, should);
  if (gone > 0)
    return found("deleted", `${entries(gone)} deleted from ${first.index} on, and those behind moved up`);
  const more = shiftOf(should, is);
  if (more > 0)
    return found("inserted", `${entries(more)} inserted at ${first.index}, and those behind moved on`);
  return found("edited", `${count} entries were edited, the first is entry ${first.index}`);
}

/** @param {number} some */
const entries = (some, all = some) =>
  some === all
    ? `${some} ${some === 1 ? "entry was" : "entries were"}`
    : `${some} of ${all} changed entries were`;

/**
 * How far `moved` is `was` without its first ones; 0: it is not.
 * @param {readonly string[]} moved
 * @param {readonly string[]} was
 */
function shiftOf(moved, was) {
  const by = was.indexOf(moved[0] ?? "");
  if (by < 1) return 0;
  const seen = Math.min(8, was.length - by, moved.length);
  return moved.slice(0, seen).every((hash, at) => hash === was[by + at]) ? by : 0;
}
