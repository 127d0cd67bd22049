import type { LogContext } from "../context.ts";
import { rowsFrom } from "../log/log.store.ts";
import type { OutsideBody } from "../outside/body-bundle.ts";
import { OutsideDamaged } from "../outside/outside.errors.ts";
import { tilesAt } from "../outside/outside.store.ts";
import { type Edge, EMPTY_EDGE, extend, isKept, partialTiles, rootOf, type Tile } from "../tree/edge.ts";
import type { ReadTile } from "../tree/proof.ts";
import { TILE_WIDTH } from "../tree/tile.ts";
import { type Place, placeOf, type Trust } from "./entry-repair.ts";

type HealedLog = Pick<LogContext, "pool" | "outside" | "seal">;

/** 256 places of the signed log, the bundle of their bodies, tiles that are wrong or missing. */
export interface Stretch {
  readonly index: number;
  readonly places: readonly Place[];
  /** The bundle as it has to be; null where it is that already. */
  readonly bundle: OutsideBody[] | null;
  readonly tiles: readonly Tile[];
}

/** @param first the lowest entry that was not retired */
export interface Walk {
  readonly size: number;
  readonly first: number;
  readonly trust: Trust;
}

/**
 * Walks over what a checkpoint of `size` covers, and gives the root that comes of it; null where a
 * hash is nowhere.
 */
export async function walkSigned(
  log: HealedLog,
  { size, first, trust }: Walk,
  visit: (stretch: Stretch) => Promise<void> | void,
): Promise<Buffer | null> {
  const readTile = tilesAt(log.outside, size);
  let edge: Edge = EMPTY_EDGE;
  for (let index = 0; index * TILE_WIDTH < size; index += 1) {
    const width = Math.min(TILE_WIDTH, size - index * TILE_WIDTH);
    const bodies = await log.outside.readBodies(index);
    const places = await placesOf(log, trust, { index, width, first, bodies, readTile });
    const hashes = places.map(({ hash }) => hash);
    if (!hashes.every((hash) => hash !== null)) return null;
    const grown = extend(edge, hashes);
    edge = grown.edge;
    const mine = width < TILE_WIDTH || edge.size === size ? partialTiles(edge) : [];
    const tiles: Tile[] = [];
    for (const tile of [...grown.full, ...mine]) if (!(await isRight(readTile, tile))) tiles.push(tile);
    const isWhole = places.every(({ isKeptOutside }) => isKeptOutside);
    const bundle = isWhole ? null : bundleOf(places, bodies);
    await visit({ index, places, bundle, tiles });
  }
  return rootOf(edge);
}

async function placesOf(
  { pool, seal }: HealedLog,
  trust: Trust,
  at: { index: number; width: number; first: number; bodies: OutsideBody[]; readTile: ReadTile },
): Promise<Place[]> {
  const from = at.index * TILE_WIDTH;
  const rows = new Map((await rowsFrom(pool, from, from + at.width, at.width)).map((row) => [row.idx, row]));
  const tile = await at.readTile(0, at.index, at.width).catch(onlyDamaged);
  return Array.from({ length: at.width }, (_, n) => {
    const idx = from + n;
    const place = placeOf(seal, trust, idx, { row: rows.get(idx), kept: at.bodies[n], hash: tile?.[n] });
    // What was retired has no row any more, and needs none.
    return idx < at.first ? { ...place, row: "good", isKeptOutside: true } : place;
  });
}

const isRight = (readTile: ReadTile, tile: Tile): Promise<boolean> =>
  isKept(readTile, tile).catch((error: unknown) => {
    onlyDamaged(error);
    return false;
  });

function onlyDamaged(error: unknown): null {
  if (error instanceof OutsideDamaged) return null;
  throw error;
}

/** A place whose body is gone keeps what lies there, so that those behind it keep theirs. */
function bundleOf(places: readonly Place[], bodies: readonly OutsideBody[]): OutsideBody[] {
  const none = { id: "00000000-0000-0000-0000-000000000000", sealed: Buffer.alloc(0) };
  const signed = places.map(({ right }, n) => right ?? bodies[n] ?? none);
  return [...signed, ...bodies.slice(places.length)];
}
