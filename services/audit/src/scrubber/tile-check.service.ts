import { isDeepStrictEqual } from "node:util";
import type { LogContext } from "../context.ts";
import { pastCheckpoints } from "../log/checkpoint.store.ts";
import { columnsOf, eventOf } from "../log/entry.ts";
import { type LogRow, rowsFrom } from "../log/log.store.ts";
import { readRetirement } from "../log/retirement.service.ts";
import type { OutsideBody } from "../outside/body-bundle.ts";
import { OutsideDamaged } from "../outside/outside.errors.ts";
import { tilesAt } from "../outside/outside.store.ts";
import { openCheckpoint, type SignedCheckpoint } from "../tree/checkpoint.ts";
import { leafHash, rootOfHashes } from "../tree/hash.ts";
import { type ReadTile, rootFromTiles } from "../tree/proof.ts";
import { TILE_WIDTH, tileWidth } from "../tree/tile.ts";
import type { Finding } from "./finding.ts";

type CheckedLog = Pick<LogContext, "pool" | "outside" | "seal" | "signer">;

/** What is to hold of the log: its entries, and the checkpoint that covers the first of them. */
export interface Standing {
  readonly size: number;
  readonly checkpoint: SignedCheckpoint | null;
}

/**
 * Reads the entries of one tile and all that is kept of them: rows against their sealed bodies, the
 * bodies and the tile outside, the tile against the tree that was signed, the checkpoints of the
 * history against it. The first thing that is wrong, or null.
 */
export async function checkTile(log: CheckedLog, tile: number, standing: Standing): Promise<Finding | null> {
  const from = tile * TILE_WIDTH;
  const signed = standing.checkpoint?.size ?? 0;
  // A note that is no one's is found by the check of what stands.
  const retired = (await orDamaged(readRetirement(log)))?.size ?? 0;
  if (from < Math.min(retired, signed)) return await findWrongLeaves(log, tile, signed);
  const to = Math.min(from + TILE_WIDTH, standing.size);
  // Two for each place show an entry that was put in beside another.
  const first = tile === 0 ? Number.MIN_SAFE_INTEGER : from;
  const rows = await rowsFrom(log.pool, first, to, 2 * TILE_WIDTH);
  if (from >= signed) return findWrongRow(log, rows, { bodies: [], hashes: null }, { from, to, signed });
  const readTile = keptTiles(tilesAt(log.outside, signed));
  const hashes = await orDamaged(readTile(0, tile, tileWidth(signed, 0, tile)));
  const bodies = await log.outside.readBodies(tile);
  const wrongRow = findWrongRow(log, rows, { bodies, hashes }, { from, to, signed });
  if (wrongRow) return wrongRow;
  const wrongTile = await findWrongTile(readTile, tile, rows, hashes, signed);
  return wrongTile ?? (await findWrongCheckpoint(log, readTile, from, Math.min(to, signed)));
}

interface Range {
  readonly from: number;
  readonly to: number;
  readonly signed: number;
}

/** Of retired entries the leaves are kept outside, and the tiles as ever. */
async function findWrongLeaves(
  { outside }: CheckedLog,
  tile: number,
  signed: number,
): Promise<Finding | null> {
  const readTile = tilesAt(outside, signed);
  const leaves = await orDamaged(outside.readLeaves(tile));
  const hashes = await orDamaged(readTile(0, tile, TILE_WIDTH));
  const wrong = leaves?.findIndex((leaf, at) => !hashes?.[at]?.equals(leafHash(leaf))) ?? 0;
  const isRight = wrong === -1 && hashes !== null && (await isUnder(readTile, 0, tile, hashes, signed));
  return isRight ? null : { fault: "outside_tile_changed", index: tile * TILE_WIDTH + Math.max(0, wrong) };
}

/** What is kept of a tile's entries outside; `hashes` null where the tile is damaged. */
interface Kept {
  readonly bodies: readonly OutsideBody[];
  readonly hashes: readonly Buffer[] | null;
}

function findWrongRow(
  log: CheckedLog,
  rows: readonly LogRow[],
  { bodies, hashes }: Kept,
  { from, to, signed }: Range,
): Finding | null {
  for (let idx = from; idx < to; idx += 1) {
    const row = rows[idx - from];
    if (row === undefined || row.idx > idx) return { fault: "entry_deleted", index: idx };
    if (row.idx < idx) return { fault: "entry_inserted", index: Math.max(0, row.idx) };
    const kept = idx < signed ? bodies[idx % TILE_WIDTH] : undefined;
    const fault = faultOfRow(log, row, kept, { from, to, signed });
    if (fault) return { fault, index: idx };
    if (idx < signed && !(kept?.id === row.id && kept.sealed.equals(row.sealed))) {
      // Of the two the one is wrong whose leaf the tile does not have.
      const isRowWrong = hashes !== null && !hashes[idx - from]?.equals(leafHash(row.leaf));
      return { fault: isRowWrong ? "leaf_changed" : "outside_body_changed", index: idx };
    }
  }
  const [beyond] = rows.slice(to - from);
  return beyond ? { fault: "entry_inserted", index: beyond.idx } : null;
}

function faultOfRow(
  { seal }: CheckedLog,
  row: LogRow,
  kept: OutsideBody | undefined,
  { from, to, signed }: Range,
): Finding["fault"] | null {
  const body = seal.open(row.idx, row.id, row.sealed);
  if (body !== null) {
    const event = eventOf(body, row.leaf);
    if (event === null) return "leaf_changed";
    const columns = columnsOf(event);
    const names = Object.keys(columns) as (keyof typeof columns)[];
    return names.every((name) => isDeepStrictEqual(row[name], columns[name])) ? null : "column_changed";
  }
  if (row.idx >= signed) return "entry_inserted";
  if (kept && seal.open(row.idx, kept.id, row.sealed) !== null) return "column_changed"; // its id
  for (let other = from; other < to; other += 1) {
    if (seal.open(other, row.id, row.sealed) !== null) return "entries_moved";
  }
  return "body_changed";
}

async function findWrongTile(
  readTile: ReadTile,
  tile: number,
  rows: readonly LogRow[],
  hashes: readonly Buffer[] | null,
  signed: number,
): Promise<Finding | null> {
  const from = tile * TILE_WIDTH;
  const width = tileWidth(signed, 0, tile);
  if (hashes === null) return { fault: "outside_tile_changed", index: from };
  const own = rows.slice(0, width).map((row) => leafHash(row.leaf));
  const wrong = own.findIndex((hash, at) => !hashes[at]?.equals(hash));
  if (wrong === -1) {
    // The tree above says the same, or that one is wrong: where rows and their tile agree, it is.
    return (await isUnder(readTile, 0, tile, hashes, signed))
      ? null
      : await blameAbove(readTile, tile, signed, from);
  }
  // One that is not full is under no other: where its entries hold, it is wrong.
  const isTileRight = width === TILE_WIDTH && (await isUnder(readTile, 0, tile, hashes, signed));
  return { fault: isTileRight ? "leaf_changed" : "outside_tile_changed", index: from + wrong };
}

/** Rows and tile were both replaced where the tile above is under the signed root. */
async function blameAbove(
  readTile: ReadTile,
  tile: number,
  signed: number,
  from: number,
): Promise<Finding | null> {
  const parent = Math.floor(tile / TILE_WIDTH);
  const hashes = await orDamaged(readTile(1, parent, tileWidth(signed, 1, parent)));
  const isRight = hashes !== null && (await isUnder(readTile, 1, parent, hashes, signed));
  // A wrong upper tile is found by the check of upper tiles, once and not for each tile below it.
  return isRight ? { fault: "leaf_changed", index: from } : null;
}

/**
 * Whether a full tile's root is what the tile above says. One that is not full is at the right edge
 * of the tree, from which the signed root is derived.
 */
export async function isUnder(
  readTile: ReadTile,
  level: number,
  index: number,
  hashes: readonly Buffer[],
  signed: number,
): Promise<boolean> {
  if (hashes.length < TILE_WIDTH) return true;
  const parent = Math.floor(index / TILE_WIDTH);
  const above = await orDamaged(readTile(level + 1, parent, tileWidth(signed, level + 1, parent)));
  return above?.[index % TILE_WIDTH]?.equals(rootOfHashes(hashes)) ?? false;
}

async function findWrongCheckpoint(
  { pool, signer }: CheckedLog,
  readTile: ReadTile,
  from: number,
  to: number,
): Promise<Finding | null> {
  for (const { size, root, note } of await pastCheckpoints(pool, from, to)) {
    const opened = openCheckpoint(note, signer.key, signer.origin);
    const isSigned = opened?.size === size && opened.root.equals(root);
    const given = isSigned ? await orDamaged(rootFromTiles(readTile, size)) : null;
    if (!isSigned || (given !== null && !given.equals(root))) {
      return { fault: "history_changed", index: size - 1 };
    }
  }
  return null;
}

/** What is read of the store outside; null where it is damaged. */
export async function orDamaged<T>(reading: Promise<T>): Promise<T | null> {
  return await reading.catch((error: unknown) => {
    if (error instanceof OutsideDamaged) return null;
    throw error;
  });
}

/** Each tile is read once: of a tile's checkpoints each needs nearly the same ones. */
function keptTiles(readTile: ReadTile): ReadTile {
  const kept = new Map<string, ReturnType<ReadTile>>();
  return (level, index, width) => {
    const key = `${level}/${index}/${width}`;
    const reading = kept.get(key) ?? readTile(level, index, width);
    kept.set(key, reading);
    return reading;
  };
}
