import type { Db } from "@medvault/postgres";
import type { OutsideStore } from "../outside/outside.store.ts";
import { TILE_WIDTH, tileWidth } from "../tree/tile.ts";

/**
 * How each tile from `first` to `end` stands in both stores: which versions of rows and files there
 * are, as Postgres and the disk count them. It costs a hundredth of reading the entries, and is
 * another one once anything of the tile was written again; what it was is not told from it.
 */
export async function glance(
  db: Db,
  outside: Pick<OutsideStore, "versionOf">,
  first: number,
  end: number,
  signed: number,
): Promise<ReadonlyMap<number, string>> {
  const range = [first === 0 ? Number.MIN_SAFE_INTEGER : first * TILE_WIDTH, end * TILE_WIDTH];
  const [rows, checkpoints] = [await versionsOfRows(db, range), await versionsOfCheckpoints(db, range)];
  const stands = new Map<number, string>();
  for (let tile = first; tile < end; tile += 1) {
    const files = await outside.versionOf(tile, tileWidth(signed, 0, tile));
    stands.set(tile, [rows.get(tile), checkpoints.get(tile), files].join(" "));
  }
  return stands;
}

async function versionsOfRows(db: Db, range: readonly number[]): Promise<Map<number, string>> {
  const { rows } = await db.query<{ tile: number; version: string }>(
    `select idx / ${TILE_WIDTH} as tile,
            md5(string_agg(idx::text || tableoid::text || ctid::text || xmin::text, ',' order by idx)) as version
       from log where idx >= $1 and idx < $2 group by 1`,
    [...range],
  );
  return new Map(rows.map(({ tile, version }) => [tile, version]));
}

async function versionsOfCheckpoints(db: Db, range: readonly number[]): Promise<Map<number, string>> {
  const { rows } = await db.query<{ tile: number; version: string }>(
    `select (size - 1) / ${TILE_WIDTH} as tile,
            md5(string_agg(size::text || ctid::text || xmin::text, ',' order by size)) as version
       from checkpoints where size > $1 and size <= $2 group by 1`,
    [...range],
  );
  return new Map(rows.map(({ tile, version }) => [tile, version]));
}
