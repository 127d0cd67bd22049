import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Tile } from "../tree/edge.ts";
import { HASH_BYTES } from "../tree/hash.ts";
import { decodeTile, encodeTile, TILE_WIDTH, tilePath } from "../tree/tile.ts";
import { decodeBodies, encodeBodies, type OutsideBody } from "./body-bundle.ts";
import { readIfThere, writeAtDurably, writeDurably } from "./durable-files.ts";
import { OutsideDamaged } from "./outside.errors.ts";

/**
 * What the log keeps outside Postgres, so that a lost or changed database shows: `audit.vkey`, `checkpoint`,
 * `tile/<L>/<N>[.p/<W>]` (C2SP tlog-tiles) and `bodies/<N>` (sealed bodies, 256 to a file).
 */
export interface OutsideStore {
  readVkey(): Promise<string | null>;
  writeVkey(vkey: string): Promise<void>;
  readCheckpoint(): Promise<string | null>;
  writeCheckpoint(note: string): Promise<void>;
  /** The first `width` hashes of a tile, from it or from a wider one. @throws OutsideDamaged */
  readTile(level: number, index: number, width: number): Promise<Buffer[]>;
  writeTile(tile: Tile): Promise<void>;
  /** The whole bodies of bundle `index`; empty when there is none. */
  readBodies(index: number): Promise<OutsideBody[]>;
  /** Puts `bodies` behind the first `keep` ones of bundle `index`. @throws OutsideDamaged when there are fewer. */
  writeBodies(index: number, keep: number, bodies: readonly OutsideBody[]): Promise<void>;
}

/** A store in a directory, which may be on another disk or a mounted share. One writer, many readers. */
export function createOutsideDirectory(directory: string): OutsideStore {
  const at = (...parts: string[]) => join(directory, ...parts);
  const text = async (name: string) => (await readIfThere(at(name)))?.toString("utf8") ?? null;
  const tileFile = (level: number, index: number, width: number) =>
    at("tile", tilePath({ level, index, width }));
  const bodiesFile = (index: number) =>
    at(tilePath({ level: 0, index, width: TILE_WIDTH }).replace(/^0/, "bodies"));

  async function readTile(level: number, index: number, width: number): Promise<Buffer[]> {
    // Partial tiles go when the full one is there, so whoever still needs one takes the head of the full one.
    const partial = width < TILE_WIDTH ? await readIfThere(tileFile(level, index, width)) : null;
    const bytes = partial ?? (await readIfThere(tileFile(level, index, TILE_WIDTH)));
    const hashes = bytes && decodeTile(bytes, bytes.length / HASH_BYTES);
    if (hashes === null || hashes.length !== (partial ? width : TILE_WIDTH)) {
      throw new OutsideDamaged(`tile ${tilePath({ level, index, width })} is ${bytes ? "cut" : "missing"}`);
    }
    return hashes.slice(0, width);
  }

  async function writeBodies(index: number, keep: number, bodies: readonly OutsideBody[]): Promise<void> {
    const file = bodiesFile(index);
    const known = decodeBodies((await readIfThere(file)) ?? Buffer.alloc(0)).bodies.slice(0, keep);
    if (known.length < keep) throw new OutsideDamaged(`bundle ${index} of bodies is cut`);
    await writeAtDurably(file, encodeBodies(known).length, encodeBodies(bodies));
  }

  return {
    readVkey: () => text("audit.vkey"),
    writeVkey: (vkey) => writeDurably(at("audit.vkey"), `${vkey}\n`),
    readCheckpoint: () => text("checkpoint"),
    writeCheckpoint: (note) => writeDurably(at("checkpoint"), note),
    readTile,
    async writeTile({ level, index, hashes }) {
      const file = tileFile(level, index, hashes.length);
      await writeDurably(file, encodeTile(hashes));
      if (hashes.length === TILE_WIDTH) await rm(`${file}.p`, { recursive: true, force: true });
    },
    async readBodies(index) {
      return decodeBodies((await readIfThere(bodiesFile(index))) ?? Buffer.alloc(0)).bodies;
    },
    writeBodies,
  };
}
