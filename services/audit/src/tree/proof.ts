import { EMPTY_ROOT, nodeHash, rootOfHashes } from "./hash.ts";
import { TILE_WIDTH, tileWidth } from "./tile.ts";

/** Gives the `width` hashes of a tile; rejects when it is missing or damaged. */
export type ReadTile = (level: number, index: number, width: number) => Promise<readonly Buffer[]>;

/**
 * RFC 6962 2.1.1: the audit path of leaf `index` in the tree of `size` leaves, leaf's sibling
 * first.
 * @throws RangeError unless 0 <= index < size.
 */
export async function inclusionProof(readTile: ReadTile, index: number, size: number): Promise<Buffer[]> {
  if (!(index >= 0 && index < size)) throw new RangeError("the leaf is not in the tree");
  const path: Promise<Buffer>[] = [];
  const hashes = rangeHasher(readTile, size);
  let [from, to] = [0, size];
  while (to - from > 1) {
    const middle = from + largestPowerOfTwoBelow(to - from);
    if (index < middle) {
      path.push(hashes(middle, to));
      to = middle;
    } else {
      path.push(hashes(from, middle));
      from = middle;
    }
  }
  return (await Promise.all(path)).reverse();
}

/**
 * RFC 6962 2.1.2: proof that the tree of `to` leaves is an extension of the one of `from` leaves.
 * @throws RangeError unless 0 < from <= to.
 */
export async function consistencyProof(readTile: ReadTile, from: number, to: number): Promise<Buffer[]> {
  if (!(from > 0 && from <= to)) throw new RangeError("a consistency proof needs 0 < from <= to");
  const hashes = rangeHasher(readTile, to);
  const path: Promise<Buffer>[] = [];
  let [start, end, whole] = [0, to, true];
  // SUBPROOF(m, D[n], b), unrolled: `start..end` is D[n], `from - start` is m, `whole` is b.
  while (from !== end) {
    const middle = start + largestPowerOfTwoBelow(end - start);
    if (from <= middle) {
      path.push(hashes(middle, end));
      end = middle;
    } else {
      path.push(hashes(start, middle));
      start = middle;
      whole = false;
    }
  }
  if (!whole) path.push(hashes(start, end));
  return (await Promise.all(path)).reverse();
}

/** The root of the first `size` leaves, derived from tiles. */
export async function rootFromTiles(readTile: ReadTile, size: number): Promise<Buffer> {
  return size === 0 ? EMPTY_ROOT : await rangeHasher(readTile, size)(0, size);
}

/** The hash of the perfect subtree of 2^`level` leaves from `first` on, a multiple of 2^`level`. */
export function subtreeHash(readTile: ReadTile, size: number, first: number, level: number): Promise<Buffer> {
  return rangeHasher(readTile, size)(first, first + 2 ** level);
}

/** MTH(D[from:to]) for the ranges that proofs need, from the tiles of the tree of `size` leaves. */
function rangeHasher(readTile: ReadTile, size: number): (from: number, to: number) => Promise<Buffer> {
  const seen = new Map<string, Promise<readonly Buffer[]>>();
  const tile = (level: number, index: number): Promise<readonly Buffer[]> => {
    const key = `${level}/${index}`;
    const known = seen.get(key) ?? readTile(level, index, tileWidth(size, level, index));
    seen.set(key, known);
    return known;
  };
  const perfect = async (from: number, width: number): Promise<Buffer> => {
    let [level, span] = [0, width];
    for (; span >= TILE_WIDTH; span /= TILE_WIDTH) level += 1;
    const at = from / TILE_WIDTH ** level;
    const hashes = await tile(level, Math.floor(at / TILE_WIDTH));
    const offset = at % TILE_WIDTH;
    return rootOfHashes(hashes.slice(offset, offset + span));
  };
  const range = async (from: number, to: number): Promise<Buffer> => {
    const width = to - from;
    const left = width === 1 ? 1 : largestPowerOfTwoBelow(width);
    if (left * 2 === width || width === 1) return await perfect(from, width);
    return nodeHash(await perfect(from, left), await range(from + left, to));
  };
  return range;
}

/** The largest power of two below `n` (n > 1). No bit operators: sizes pass 2^31. */
function largestPowerOfTwoBelow(n: number): number {
  let power = 1;
  while (power * 2 < n) power *= 2;
  return power;
}
