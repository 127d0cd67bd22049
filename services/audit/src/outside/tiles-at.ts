import type { ReadTile } from "../tree/proof.ts";
import { tileWidth } from "../tree/tile.ts";
import type { OutsideStore } from "./outside.store.ts";

/**
 * Reads tiles of any size up to `treeSize`, the size of a signed checkpoint: a narrower tile is the head of the
 * one that this checkpoint has. Rejects with OutsideDamaged.
 */
export function tilesAt(outside: OutsideStore, treeSize: number): ReadTile {
  return async (level, index, width) => {
    const hashes = await outside.readTile(level, index, Math.max(width, tileWidth(treeSize, level, index)));
    return hashes.slice(0, width);
  };
}
