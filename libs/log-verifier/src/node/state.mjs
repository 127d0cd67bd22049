// What a verifier keeps for its next run, in a folder of its own: every checkpoint that it has
// seen, its own copy of
// all entries' hashes, and where it ended.
import { randomBytes } from "node:crypto";
import { mkdir, open, rename } from "node:fs/promises";
import path from "node:path";
import { base64Of, bytesOf, HASH_BYTES, hexOf } from "../bytes.mjs";
import { openCheckpoint } from "../note.mjs";
import { NotChecked } from "../verify.mjs";
import { boundedFile, hashFile } from "./dump-source.mjs";

/** @typedef {import("../engine.mjs").Engine} Engine */
/** @typedef {import("../note.mjs").Key} Key */
/** @typedef {import("../verify.mjs").Kept} Kept */
/** @typedef {import("../verify.mjs").Report} Report */

const MAX_STATE_BYTES = 64 * 1024 * 1024;
const FORMAT = 1;

/**
 * The folder of one log: named by a hash, since a log's name may be any text.
 * @param {Engine} engine
 * @param {string} directory
 * @param {string} origin
 */
export async function openState(engine, directory, origin) {
  const [hash] = await engine.sha256All([new TextEncoder().encode(origin)]);
  const folder = path.join(directory, hexOf((hash ?? new Uint8Array(0)).subarray(0, 8)));
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const hashes = path.join(folder, "hashes");
  const sink = await open(hashes, "a", 0o600).then(async (file) => {
    await file.close();
    return await open(hashes, "r+");
  });
  /** @type {string[]} */
  let notes = [];
  return {
    folder,
    /**
     * What the last run left; null before the first.
     * @param {Key} key
     * @returns {Promise<Kept | null>}
     */
    async load(key) {
      const bytes = await boundedFile(path.join(folder, "state.json"), MAX_STATE_BYTES);
      if (bytes === null) return null;
      const state = stateIn(bytes);
      notes = state.checkpoints;
      const opened = await Promise.all(notes.map((note) => openCheckpoint(engine, note, key, origin)));
      const mirror = await hashFile(hashes);
      return {
        checkpoints: opened.map(({ checkpoint }) => checkpoint),
        edge: state.edge,
        mirror: mirror.read,
        arrivals: state.arrivals,
      };
    },
    /** @param {number} from @param {Uint8Array} row */
    async keep(from, row) {
      await sink.write(row, 0, row.length, from * HASH_BYTES);
    },
    /** @param {Report} report of a run that found nothing */
    async save({ checkpoint, next }) {
      if (next === null) return;
      await sink.sync();
      const levels = next.edge.levels.map(base64Of);
      const checkpoints = notes.includes(checkpoint) ? notes : [...notes, checkpoint];
      const { arrivals } = next;
      const state = { format: FORMAT, origin, checkpoints, edge: { size: next.edge.size, levels }, arrivals };
      await replaceDurably(path.join(folder, "state.json"), `${JSON.stringify(state)}\n`);
    },
    /**
     * A signed checkpoint that does not fit is the proof against who signed it.
     * @param {string} note
     */
    async keepEvidence(note) {
      const file = path.join(folder, `evidence-${Date.now()}.txt`);
      await replaceDurably(file, note);
      return file;
    },
    close: () => sink.close(),
  };
}

/** @param {Buffer} bytes */
function stateIn(bytes) {
  try {
    const { format, checkpoints, edge, arrivals } = JSON.parse(bytes.toString("utf8"));
    const levels = edge.levels.map((/** @type {string} */ level) => bytesOf(level));
    if (format !== FORMAT || levels.includes(null) || !Array.isArray(checkpoints)) throw new Error("other");
    return { checkpoints, edge: { size: edge.size, levels }, arrivals: arrivals ?? null };
  } catch {
    throw new NotChecked(
      "what the verifier kept cannot be read: put it back, or begin again in a new folder",
    );
  }
}

/**
 * Replaces a file as a whole, or not at all.
 * @param {string} file
 * @param {string} text
 */
export async function replaceDurably(file, text) {
  const aside = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  const handle = await open(aside, "wx", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(aside, file);
  await syncDirectory(path.dirname(file));
}

/** Windows opens no directories. @param {string} directory */
export async function syncDirectory(directory) {
  const handle = await open(directory, "r").catch(() => null);
  await handle?.sync().catch(() => {});
  await handle?.close();
}
