// RFC 6962 trees and C2SP tiles, written for this verifier alone. Rows of hashes are one array of
// bytes, 32 each,
// so that a platform hashes a whole row at once.
import { HASH_BYTES, isEqual, joined } from "./bytes.mjs";

/** @typedef {import("./engine.mjs").Engine} Engine */
/**
 * The right edge of a tree: `levels[l]` are the hashes of the tile of level `l` that is not full
 * yet.
 * @typedef {{ size: number, levels: Uint8Array[] }} Edge
 */
/** @typedef {{ level: number, index: number, hashes: Uint8Array }} Tile */

/** Hashes in a full tile (C2SP tlog-tiles). */
export const TILE_WIDTH = 256;
const TILE_BYTES = TILE_WIDTH * HASH_BYTES;

/** @type {Edge} */
export const EMPTY_EDGE = { size: 0, levels: [] };

/**
 * @param {Uint8Array} bytes `width` bytes each
 * @param {number} prefix RFC 6962: 0 for a leaf, 1 for a node
 * @param {number} width
 */
function prefixed(bytes, prefix, width) {
  const count = bytes.length / width;
  const out = new Uint8Array(count * (width + 1));
  for (let at = 0; at < count; at += 1) {
    out[at * (width + 1)] = prefix;
    out.set(bytes.subarray(at * width, (at + 1) * width), at * (width + 1) + 1);
  }
  return out;
}

/**
 * The RFC 6962 hashes of leaves of 32 bytes each.
 * @param {Engine} engine
 * @param {Uint8Array} leaves
 */
export const leafHashes = (engine, leaves) =>
  engine.sha256Each(prefixed(leaves, 0, HASH_BYTES), HASH_BYTES + 1);

/**
 * @param {Engine} engine
 * @param {Uint8Array} left
 * @param {Uint8Array} right
 */
export const nodeHash = (engine, left, right) =>
  engine.sha256Each(prefixed(joined(left, right), 1, 2 * HASH_BYTES), 2 * HASH_BYTES + 1);

/**
 * The root over a row of 1, 2, 4, 8 … hashes.
 * @param {Engine} engine
 * @param {Uint8Array} row
 */
async function perfectRoot(engine, row) {
  let above = row;
  while (above.length > HASH_BYTES)
    above = await engine.sha256Each(prefixed(above, 1, 2 * HASH_BYTES), 2 * HASH_BYTES + 1);
  return above;
}

/**
 * The edge with hashes of leaves added, which end at the border of a tile at the latest, and the
 * tiles that
 * became full.
 * @param {Engine} engine
 * @param {Edge} edge
 * @param {Uint8Array} hashes
 * @returns {Promise<{ edge: Edge, full: Tile[] }>}
 */
export async function extend(engine, edge, hashes) {
  const levels = edge.levels.slice();
  const size = edge.size + hashes.length / HASH_BYTES;
  /** @type {Tile[]} */
  const full = [];
  let rising = hashes;
  for (let level = 0; ; level += 1) {
    const row = joined(levels[level] ?? new Uint8Array(0), rising);
    if (row.length > TILE_BYTES) throw new RangeError("more hashes than the tile has room for");
    levels[level] = row;
    if (row.length < TILE_BYTES) return { edge: { size, levels }, full };
    full.push({ level, index: Math.floor((size - 1) / TILE_WIDTH ** (level + 1)), hashes: row });
    levels[level] = new Uint8Array(0);
    rising = await perfectRoot(engine, row);
  }
}

/**
 * The tiles of an edge that are not full.
 * @param {Edge} edge
 * @returns {Tile[]}
 */
export const partialTiles = (edge) =>
  edge.levels
    .map((hashes, level) => ({ level, index: Math.floor(edge.size / TILE_WIDTH ** (level + 1)), hashes }))
    .filter(({ hashes }) => hashes.length > 0);

/**
 * The root of the tree at its edge: perfect subtrees from the smallest, at the right, to the
 * largest.
 * @param {Engine} engine
 * @param {Edge} edge
 */
export async function rootOf(engine, edge) {
  /** @type {Uint8Array | null} */
  let root = null;
  for (const row of edge.levels) {
    let end = row.length / HASH_BYTES;
    for (let width = 1; width <= end; width *= 2) {
      if (Math.floor(row.length / HASH_BYTES / width) % 2 === 0) continue;
      const subtree = await perfectRoot(engine, row.subarray((end - width) * HASH_BYTES, end * HASH_BYTES));
      root = root === null ? subtree : await nodeHash(engine, subtree, root);
      end -= width;
    }
  }
  return root ?? (await engine.sha256All([new Uint8Array(0)]))[0] ?? new Uint8Array(0);
}

/**
 * Whether `proof` shows that the tree `newer` is the tree `older` with leaves added at its end (RFC
 * 6962 2.1.2;
 * hashes from the last, as the recursion of the RFC takes them).
 * @param {Engine} engine
 * @param {{ size: number, root: Uint8Array }} older
 * @param {{ size: number, root: Uint8Array }} newer
 * @param {readonly Uint8Array[]} proof
 */
export async function isExtension(engine, older, newer, proof) {
  if (older.size > newer.size) return false;
  if (older.size === 0) return proof.length === 0;
  const path = proof.slice();
  /**
   * @param {number} m
   * @param {number} n
   * @param {boolean} whole
   * @returns {Promise<{ older: Uint8Array, newer: Uint8Array } | null>}
   */
  const roots = async (m, n, whole) => {
    if (m === n && whole) return { older: older.root, newer: older.root };
    const hash = path.pop();
    if (hash === undefined) return null;
    if (m === n) return { older: hash, newer: hash };
    const k = powerBelow(n);
    const below = m <= k ? await roots(m, k, whole) : await roots(m - k, n - k, false);
    if (below === null) return null;
    return m <= k
      ? { older: below.older, newer: await nodeHash(engine, below.newer, hash) }
      : {
          older: await nodeHash(engine, hash, below.older),
          newer: await nodeHash(engine, hash, below.newer),
        };
  };
  const found = await roots(older.size, newer.size, true);
  return (
    found !== null &&
    path.length === 0 &&
    isEqual(found.older, older.root) &&
    isEqual(found.newer, newer.root)
  );
}

/** @param {number} n */
function powerBelow(n) {
  let power = 1;
  while (power * 2 < n) power *= 2;
  return power;
}

/**
 * The C2SP path of a tile: `tile/0/x001/x234/067`, or `….p/8` when it is partial.
 * @param {number} level
 * @param {number} index
 * @param {number} width
 */
export function tilePath(level, index, width) {
  const groups = [];
  for (let rest = index, last = true; last || rest > 0; rest = Math.floor(rest / 1_000), last = false)
    groups.unshift(`${last ? "" : "x"}${String(rest % 1_000).padStart(3, "0")}`);
  return `tile/${level}/${groups.join("/")}${width === TILE_WIDTH ? "" : `.p/${width}`}`;
}
