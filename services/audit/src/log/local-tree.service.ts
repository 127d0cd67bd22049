import type { LogContext } from "../context.ts";
import { tilesAt } from "../outside/outside.store.ts";
import { type Edge, EMPTY_EDGE, extend, isKept, type Tile } from "../tree/edge.ts";
import { leafHash } from "../tree/hash.ts";
import type { ReadTile } from "../tree/proof.ts";
import { hashesAtLevel, TILE_WIDTH } from "../tree/tile.ts";
import { type LeafRow, leavesBetween } from "./log.store.ts";
import { WriterRefuses } from "./writer.errors.ts";

/** Leaves that are read and hashed in one step: 16 tiles of level 0. */
const STEP = 16 * TILE_WIDTH;
/** A tile of level 1 spans this many leaves; the edge is taken from tiles at such a border only. */
const BORDER = TILE_WIDTH * TILE_WIDTH;

/** Grows an edge by rows of the log. @throws WriterRefuses when an index is missing or misplaced */
export function growByRows(
  edge: Edge,
  rows: readonly Pick<LeafRow, "idx" | "leaf">[],
): { edge: Edge; full: Tile[] } {
  for (const [at, row] of rows.entries()) {
    if (row.idx !== edge.size + at) {
      throw new WriterRefuses("sequence_of_leaves_broken", `the log has no entry ${edge.size + at}`);
    }
  }
  return extend(
    edge,
    rows.map((row) => leafHash(row.leaf)),
  );
}

/**
 * Derives the edge at `size` from the leaves in the log, and holds every full tile on the way
 * against the one outside. Of a log longer than `maxLeaves` only so many last leaves are read
 * (100,000 take about 1 s), and none of the first `retired`; what lies before is taken from tiles,
 * which the signed root vouches for, and is left to `POST /v1/audit/verify`.
 * @throws WriterRefuses, OutsideDamaged
 */
export async function deriveEdge(
  { pool, outside }: Pick<LogContext, "pool" | "outside">,
  size: number,
  maxLeaves: number,
  retired: number,
): Promise<Edge> {
  const readTile = tilesAt(outside, size);
  const start = Math.max(retired, Math.floor(Math.max(0, size - maxLeaves) / BORDER) * BORDER);
  let edge = await edgeFromTiles(readTile, start);
  while (edge.size < size) {
    const to = Math.min(edge.size + STEP, size);
    const rows = await leavesBetween(pool, edge.size, to);
    if (rows.length < to - edge.size) {
      const missing = rows.find((row, at) => row.idx !== edge.size + at)?.idx ?? edge.size + rows.length;
      throw new WriterRefuses(
        "log_truncated",
        `the log has lost entries that were signed, near entry ${missing}`,
      );
    }
    const grown = growByRows(edge, rows);
    for (const tile of grown.full) {
      if (await isKept(readTile, tile)) continue;
      const place = `tile ${tile.level}/${tile.index}`;
      throw new WriterRefuses("log_changed", `${place} outside is not the one that the log's entries give`);
    }
    edge = grown.edge;
  }
  return edge;
}

async function edgeFromTiles(readTile: ReadTile, size: number): Promise<Edge> {
  if (size === 0) return EMPTY_EDGE;
  const levels: Buffer[][] = [];
  for (let level = 0; hashesAtLevel(size, level) > 0; level += 1) {
    const hashes = hashesAtLevel(size, level);
    const width = hashes % TILE_WIDTH;
    levels.push(width === 0 ? [] : [...(await readTile(level, Math.floor(hashes / TILE_WIDTH), width))]);
  }
  return { size, levels };
}
