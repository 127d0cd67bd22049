import { randomBytes, randomUUID } from "node:crypto";
import { access, constants, open, readdir, readFile, rm, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { makeDirectoryDurably, syncDirectory, writeDurably } from "@medvault/keys";
import type { Tile } from "../tree/edge.ts";
import { HASH_BYTES } from "../tree/hash.ts";
import type { ReadTile } from "../tree/proof.ts";
import {
  decodeEntryBundle,
  decodeTile,
  encodeEntryBundle,
  encodeTile,
  TILE_WIDTH,
  tilePath,
  tileWidth,
} from "../tree/tile.ts";
import { decodeBodies, encodeBodies, type OutsideBody } from "./body-bundle.ts";
import { OutsideDamaged, OutsideTaken } from "./outside.errors.ts";

/** Here each writer has a directory of its own, by its epoch; from it files are put in place. */
const WRITERS = ".writer";
/** Also where a process that does not know yet that it was replaced makes a draft meanwhile. */
const GONE = { recursive: true, force: true, maxRetries: 5 };
/** More than what is left in the last block of a full disk, and nothing that compresses. */
const PROBE = randomBytes(16 * 1024);

/**
 * What the log keeps outside Postgres, so that a lost or changed database shows: `audit.vkey`,
 * `checkpoint`, `tile/<L>/<N>[.p/<W>]` (C2SP tlog-tiles) and `bodies/<N>` (sealed bodies, 256 to a
 * file); of entries that were retired `retired` and `tile/entries/<N>` instead of `bodies/<N>`.
 */
export interface OutsideStore {
  /** Writes as durably as all else is written: throws, and takes as long. Leaves nothing. */
  probe(): Promise<void>;
  /**
   * Makes the store this epoch's: what a writer of any other has not put in place by now, it never
   * will, even if it is a process that hangs between two of its system calls.
   */
  takeOver(epoch: number): Promise<void>;
  readVkey(): Promise<string | null>;
  writeVkey(vkey: string): Promise<void>;
  readCheckpoint(): Promise<string | null>;
  /** @throws OutsideTaken */
  writeCheckpoint(epoch: number, note: string): Promise<void>;
  /** What was retired of the log (tree/retirement.ts); null when nothing was. */
  readRetirement(): Promise<string | null>;
  writeRetirement(note: string): Promise<void>;
  /** The first `width` hashes of a tile, from it or from a wider one. @throws OutsideDamaged */
  readTile(level: number, index: number, width: number): Promise<Buffer[]>;
  /** @throws OutsideTaken */
  writeTile(epoch: number, tile: Tile): Promise<void>;
  /** The whole bodies of bundle `index`; empty when there is none. */
  readBodies(index: number): Promise<OutsideBody[]>;
  /**
   * Puts `bodies` behind the first `keep` ones of bundle `index`. @throws OutsideDamaged when there
   * are fewer, OutsideTaken
   */
  writeBodies(epoch: number, index: number, keep: number, bodies: readonly OutsideBody[]): Promise<void>;
  hasBodies(index: number): Promise<boolean>;
  removeBodies(index: number): Promise<void>;
  /** The 256 leaves of retired bundle `index` (`tile/entries/<N>`). @throws OutsideDamaged */
  readLeaves(index: number): Promise<Buffer[]>;
  writeLeaves(index: number, leaves: readonly Buffer[]): Promise<void>;
  /** Another one once a tile of level 0 (`width` of its hashes) or its bodies are written again. */
  versionOf(index: number, width: number): Promise<string>;
  /** For a healing: bundle `index` holds these bodies and nothing else. @throws OutsideTaken */
  replaceBodies(epoch: number, index: number, bodies: readonly OutsideBody[]): Promise<void>;
  /** Copies a file that is about to be replaced to `quarantine/<healing>`, where it stays. */
  setAside(healing: string, part: OutsidePart): Promise<void>;
}

/** A file of the store. */
type OutsidePart = { tile: Tile } | { bundle: number } | { file: "checkpoint" | "audit.vkey" };

/** A store in a directory, on another disk or a mounted share. One writer, many readers. */
export function createOutsideDirectory(directory: string): OutsideStore {
  const at = (...parts: string[]) => join(directory, ...parts);
  const text = async (name: string) => (await readIfThere(at(name)))?.toString("utf8") ?? null;
  const tileFile = (level: number, index: number, width: number) =>
    at("tile", tilePath({ level, index, width }));
  const leavesFile = (index: number) => at("tile", tilePath({ level: "entries", index, width: TILE_WIDTH }));
  const bodiesFile = (index: number) =>
    at(tilePath({ level: 0, index, width: TILE_WIDTH }).replace(/^0/, "bodies"));

  function fileOf(part: OutsidePart): string {
    if ("file" in part) return at(part.file);
    if ("bundle" in part) return bodiesFile(part.bundle);
    return tileFile(part.tile.level, part.tile.index, part.tile.hashes.length);
  }

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

  const draftsOf = (epoch: number) => at(WRITERS, String(epoch));
  /** From the writer's own directory: a rename out of one that was removed finds no file. */
  async function put(epoch: number, file: string, content: Uint8Array | string): Promise<void> {
    await requireDrafts(epoch);
    try {
      await writeDurably(file, content, undefined, draftsOf(epoch));
    } catch (error) {
      await requireDrafts(epoch);
      throw error;
    }
  }
  async function requireDrafts(epoch: number): Promise<void> {
    await access(draftsOf(epoch)).catch((error: NodeJS.ErrnoException) => {
      throw error.code === "ENOENT" ? new OutsideTaken() : error;
    });
  }

  async function takeOver(epoch: number): Promise<void> {
    await makeDirectoryDurably(draftsOf(epoch));
    const others = (await readdir(at(WRITERS))).filter((name) => name !== String(epoch));
    await Promise.all(others.map((name) => rm(at(WRITERS, name), GONE)));
    await syncDirectory(at(WRITERS));
  }

  async function writeBodies(
    epoch: number,
    index: number,
    keep: number,
    bodies: readonly OutsideBody[],
  ): Promise<void> {
    await requireDrafts(epoch);
    const file = bodiesFile(index);
    const known = decodeBodies((await readIfThere(file)) ?? Buffer.alloc(0)).bodies.slice(0, keep);
    if (known.length < keep) throw new OutsideDamaged(`bundle ${index} of bodies is cut`);
    await writeAtDurably(file, encodeBodies(known).length, encodeBodies(bodies));
  }

  return {
    async probe() {
      const file = at(WRITERS, `${randomUUID()}.probe`);
      await writeDurably(file, PROBE);
      await rm(file, { force: true });
    },
    takeOver,
    readVkey: () => text("audit.vkey"),
    writeVkey: (vkey) => writeDurably(at("audit.vkey"), `${vkey}\n`),
    readCheckpoint: () => text("checkpoint"),
    writeCheckpoint: (epoch, note) => put(epoch, at("checkpoint"), note),
    readRetirement: () => text("retired"),
    writeRetirement: (note) => writeDurably(at("retired"), note),
    readTile,
    async writeTile(epoch, { level, index, hashes }) {
      const file = tileFile(level, index, hashes.length);
      await put(epoch, file, encodeTile(hashes));
      if (hashes.length === TILE_WIDTH) await rm(`${file}.p`, { recursive: true, force: true });
    },
    async readBodies(index) {
      return decodeBodies((await readIfThere(bodiesFile(index))) ?? Buffer.alloc(0)).bodies;
    },
    writeBodies,
    hasBodies: (index) => isThere(bodiesFile(index)),
    removeBodies: (index) => rm(bodiesFile(index), { force: true }),
    async readLeaves(index) {
      const bytes = await readIfThere(leavesFile(index));
      const leaves = bytes && decodeEntryBundle(bytes);
      if (leaves?.length !== TILE_WIDTH || leaves.some((leaf) => leaf.length !== HASH_BYTES)) {
        throw new OutsideDamaged(`bundle ${index} of leaves is ${bytes ? "damaged" : "missing"}`);
      }
      return leaves;
    },
    writeLeaves: (index, leaves) => writeDurably(leavesFile(index), encodeEntryBundle(leaves)),
    async versionOf(index, width) {
      const partial = width < TILE_WIDTH ? await versionOfFile(tileFile(0, index, width)) : "";
      const tile = partial || (await versionOfFile(tileFile(0, index, TILE_WIDTH)));
      return `${tile} ${await versionOfFile(bodiesFile(index))}`;
    },
    replaceBodies: (epoch, index, bodies) => put(epoch, bodiesFile(index), encodeBodies(bodies)),
    async setAside(healing, part) {
      const file = fileOf(part);
      const bytes = await readIfThere(file);
      const aside = at("quarantine", healing, relative(directory, file));
      // What a healing that was ended here has copied already is what was there before it.
      if (bytes && (await readIfThere(aside)) === null) await writeDurably(aside, bytes);
    },
  };
}

/** Which write of a file this is, as the disk counts them; empty where there is none. */
async function versionOfFile(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [ino, size, mtimeNs, ctimeNs].join("-");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
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

const isThere = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

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
  const isNew = !(await isThere(path));
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
