import { EMPTY_ROOT, nodeHash, rootOfHashes } from "./hash.ts";
import type { ReadTile } from "./proof.ts";
import { TILE_WIDTH } from "./tile.ts";

/**
 * The right edge of a tree: its size and, per tile level, the hashes of the one tile that is not
 * full yet. With it alone the tree grows and its root is known; everything left of it lies in full
 * tiles. levels[l].length is always floor(size / 256^l) mod 256 (C2SP tlog-tiles, "Partial Tiles").
 */
export interface Edge {
  readonly size: number;
  readonly levels: readonly (readonly Buffer[])[];
}

/** A tile that became full, or a partial one that a checkpoint needs. `hashes` are 1..256 long. */
export interface Tile {
  readonly level: number;
  readonly index: number;
  readonly hashes: readonly Buffer[];
}

/** The edge of the empty tree. */
export const EMPTY_EDGE: Edge = { size: 0, levels: [] };

/**
 * Appends leaf hashes (RFC 6962 leaf hashes, not entries) and says which tiles became full on the
 * way. Pure: the given edge stays as it was, so that a failed publication leaves nothing
 * half-grown.
 */
export function extend(edge: Edge, leafHashes: readonly Buffer[]): { edge: Edge; full: Tile[] } {
  const levels = edge.levels.map((hashes) => hashes.slice());
  const full: Tile[] = [];
  let size = edge.size;
  for (const leaf of leafHashes) {
    size += 1;
    let rising = leaf;
    for (let level = 0; ; level += 1) {
      let hashes = levels[level];
      if (hashes === undefined) {
        hashes = [];
        levels.push(hashes);
      }
      hashes.push(rising);
      if (hashes.length < TILE_WIDTH) break;
      full.push({ level, index: Math.floor(size / TILE_WIDTH ** (level + 1)) - 1, hashes });
      rising = rootOfHashes(hashes);
      levels[level] = [];
    }
  }
  return { edge: { size, levels }, full };
}

/** The partial tiles of an edge, without the empty ones, which must not be served. */
export function partialTiles(edge: Edge): Tile[] {
  return edge.levels
    .map((hashes, level) => ({ level, index: Math.floor(edge.size / TILE_WIDTH ** (level + 1)), hashes }))
    .filter((tile) => tile.hashes.length > 0);
}

/** Whether a tile that is kept has exactly these hashes. */
export async function isKept(readTile: ReadTile, { level, index, hashes }: Tile): Promise<boolean> {
  const kept = await readTile(level, index, hashes.length);
  return hashes.every((hash, at) => kept[at]?.equals(hash));
}

/** RFC 6962 root of the whole tree at this edge. */
export function rootOf(edge: Edge): Buffer {
  let root: Buffer | null = null;
  for (const hashes of edge.levels) {
    let end = hashes.length;
    // The perfect subtrees of this level, smallest (rightmost) first: one for each bit that is set.
    for (let width = 1; width <= end; width *= 2) {
      if (Math.floor(hashes.length / width) % 2 === 0) continue;
      const subtree = rootOfHashes(hashes.slice(end - width, end));
      root = root === null ? subtree : nodeHash(subtree, root);
      end -= width;
    }
  }
  return root ?? EMPTY_ROOT;
}
