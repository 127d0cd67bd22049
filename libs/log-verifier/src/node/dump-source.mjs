// A log read from its store outside the database: a directory, or a copy of one.
import { open, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { HASH_BYTES } from "../bytes.mjs";
import { TILE_WIDTH, tilePath } from "../tree.mjs";
import { NotChecked } from "../verify.mjs";

/** @typedef {import("../verify.mjs").Source} Source */

const MAX_NOTE_BYTES = 64 * 1024;
const TILE_BYTES = TILE_WIDTH * HASH_BYTES;

/**
 * @param {string} directory with `checkpoint` and `tile/`
 * @returns {Promise<Source>}
 */
export async function dumpSource(directory) {
  const at = (/** @type {string} */ name) => path.join(directory, name);
  const checkpoint = await boundedFile(at("checkpoint"), MAX_NOTE_BYTES);
  if (checkpoint === null)
    throw new NotChecked(
      `${directory} holds no file "checkpoint": give the folder of MEDVAULT_AUDIT_DIR, or a copy`,
    );
  const size = Number(/^[^\n]*\n(\d{1,16})\n/.exec(checkpoint.toString("utf8"))?.[1] ?? 0);

  /** @param {number} level @param {number} index @param {number} width */
  async function tile(level, index, width) {
    const partial =
      width < TILE_WIDTH ? await boundedFile(at(tilePath(level, index, width)), TILE_BYTES) : null;
    const bytes = partial ?? (await boundedFile(at(tilePath(level, index, TILE_WIDTH)), TILE_BYTES));
    const isWhole = bytes !== null && bytes.length === (partial ? width : TILE_WIDTH) * HASH_BYTES;
    return isWhole ? new Uint8Array(bytes.subarray(0, width * HASH_BYTES)) : null;
  }

  /** @param {number} from @param {number} to of one tile */
  async function store(from, to) {
    const index = Math.floor(from / TILE_WIDTH);
    const start = index * TILE_WIDTH;
    const hashes = await tile(0, index, Math.min(TILE_WIDTH, size - start));
    const row = hashes?.subarray((from - start) * HASH_BYTES, (to - start) * HASH_BYTES);
    return row ?? new Uint8Array((to - from) * HASH_BYTES);
  }

  return { checkpoint: async () => checkpoint.toString("utf8"), store, tile };
}

/**
 * A file up to its bound; null where there is none. A longer one, or one that is no file, is not
 * read.
 * @param {string} file
 * @param {number} most
 */
export async function boundedFile(file, most) {
  const known = await stat(file).catch(() => null);
  if (known === null) return null;
  if (!known.isFile() || known.size > most)
    throw new NotChecked(`${file} is no file of at most ${most} bytes`);
  return await readFile(file).catch(() => {
    throw new NotChecked(`${file} cannot be read`);
  });
}

/**
 * Reads hashes of a file of 32 bytes an entry.
 * @param {string} file
 * @returns {Promise<{ read: (from: number, to: number) => Promise<Uint8Array>, close: () =>
 * Promise<void> }>}
 */
export async function hashFile(file) {
  const handle = await open(file, "r");
  return {
    async read(from, to) {
      const bytes = new Uint8Array((to - from) * HASH_BYTES);
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, from * HASH_BYTES);
      if (bytesRead !== bytes.length)
        throw new NotChecked(`${file} is cut: put it back, or begin again in a new folder`);
      return bytes;
    },
    close: () => handle.close(),
  };
}
