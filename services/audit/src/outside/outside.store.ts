import { access, constants, open, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeDirectoryDurably, syncDirectory, writeDurably } from "@medvault/keys";
import type { Tile } from "../tree/edge.ts";
import { HASH_BYTES } from "../tree/hash.ts";
import type { ReadTile } from "../tree/proof.ts";
import { decodeTile, encodeTile, TILE_WIDTH, tilePath, tileWidth } from "../tree/tile.ts";
import { decodeBodies, encodeBodies, type OutsideBody } from "./body-bundle.ts";
import { OutsideDamaged } from "./outside.errors.ts";

/**
 * What the log keeps outside Postgres, so that a lost or changed database shows: `audit.vkey`,
 * `checkpoint`, `tile/<L>/<N>[.p/<W>]` (C2SP tlog-tiles) and `bodies/<N>` (sealed bodies, 256 to a
 * file).
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
  /**
   * Puts `bodies` behind the first `keep` ones of bundle `index`. @throws OutsideDamaged when there
   * are fewer.
   */
  writeBodies(index: number, keep: number, bodies: readonly OutsideBody[]): Promise<void>;
}

/** A store in a directory, on another disk or a mounted share. One writer, many readers. */
export function createOutsideDirectory(directory: string): OutsideStore {
  const at = (...parts: string[]) => join(directory, ...parts);
  const text = async (name: string) => (await readIfThere(at(name)))?.toString("utf8") ?? null;
  const tileFile = (level: number, index: number, width: number) =>
    at("tile", tilePath({ level, index, width }));
  const bodiesFile = (index: number) =>
    at(tilePath({ level: 0, index, width: TILE_WIDTH }).replace(/^0/, "bodies"));

  async function readTile(level: number, index: number, width: number): Promise<Buffer[]> {
    // Partial tiles go when the full one is there: a reader of one then takes the head of that.
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

/**
 * Reads tiles of any size up to `treeSize`, the size of a signed checkpoint: a narrower tile is the
 * head of the one that this checkpoint has. Rejects with OutsideDamaged.
 */
export function tilesAt(outside: OutsideStore, treeSize: number): ReadTile {
  return async (level, index, width) => {
    const hashes = await outside.readTile(level, index, Math.max(width, tileWidth(treeSize, level, index)));
    return hashes.slice(0, width);
  };
}

/** The bytes of a file; null when there is none. Any other fault rejects. */
async function readIfThere(path: string): Promise<Buffer | null> {
  return await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
}

/**
 * Writes `bytes` at `offset` of a file that is made when it is not there, over the torn end that a
 * crash may have left, so that they last. It cuts nothing off: a writer that was replaced and does
 * not know it yet writes the same bytes to the same place, and must not take away what its
 * successor put behind them.
 */
async function writeAtDurably(path: string, offset: number, bytes: Buffer): Promise<void> {
  const directory = dirname(path);
  await makeDirectoryDurably(directory);
  const isNew = await access(path).then(
    () => false,
    () => true,
  );
  const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    // A disk that is nearly full takes a part and says so; the next write then gets the error.
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await file.write(bytes, done, bytes.length - done, offset + done);
      done += bytesWritten;
    }
    await file.sync();
  } finally {
    await file.close();
  }
  if (isNew) await syncDirectory(directory);
}
