import type { LogContext } from "../context.ts";
import { OutsideDamaged } from "../outside/outside.errors.ts";
import { type OutsideStore, tilesAt } from "../outside/outside.store.ts";
import { openCheckpoint, type SignedCheckpoint } from "../tree/checkpoint.ts";
import { type Edge, EMPTY_EDGE, isKept, partialTiles, rootOf } from "../tree/edge.ts";
import { openNote } from "../tree/note.ts";
import { TILE_WIDTH } from "../tree/tile.ts";
import { latestCheckpoint } from "./checkpoint.store.ts";
import { expectedSize } from "./lease.store.ts";
import { deriveEdge } from "./local-tree.service.ts";
import { leafRowsFrom, tableSize } from "./log.store.ts";
import type { OwnEntries } from "./own-entries.ts";
import { readRetirement } from "./retirement.service.ts";
import { WriterRefuses } from "./writer.errors.ts";

/** Entries without a checkpoint that are read in one step. */
const TAIL_ROWS = 1_000;

/** Where the tree stands that was published last; `checkpoint` null before the first. */
export interface Published {
  readonly edge: Edge;
  readonly checkpoint: SignedCheckpoint | null;
}

type OpenedLog = Pick<LogContext, "pool" | "outside" | "signer">;

/**
 * Checks, at the start of a writer, that the log in Postgres extends what is kept outside; writes
 * nothing but the public key of a new log. What a crash can leave behind passes: entries that were
 * not yet published, tiles and bodies beyond the checkpoint, a checkpoint that the history does not
 * have yet. @throws WriterRefuses
 */
export async function openLog(log: OpenedLog, own: OwnEntries, maxStartLeaves: number): Promise<Published> {
  try {
    const checkpoint = await requireCheckpoint(log);
    await requireSize(log, Math.max(checkpoint?.size ?? 0, own.size));
    const published = await requirePublished(log, checkpoint, maxStartLeaves);
    await requireOwnTail(log, own, published.edge.size);
    return published;
  } catch (error) {
    throw error instanceof OutsideDamaged ? new WriterRefuses("outside_store_damaged", error.message) : error;
  }
}

/** The checkpoint outside: ours, and no older than the history says. @throws WriterRefuses */
async function requireCheckpoint(log: OpenedLog): Promise<SignedCheckpoint | null> {
  await requireOwnKey(log);
  const checkpoint = await readOutsideCheckpoint(log);
  await requireHistory(log, checkpoint);
  return checkpoint;
}

/** What the checkpoint covers, in Postgres and outside. @throws WriterRefuses, OutsideDamaged */
async function requirePublished(
  log: OpenedLog,
  checkpoint: SignedCheckpoint | null,
  maxStartLeaves: number,
): Promise<Published> {
  if (checkpoint === null) return { edge: EMPTY_EDGE, checkpoint };
  const retired = await requireRetirement(log, checkpoint);
  const edge = await deriveEdge(log, checkpoint.size, maxStartLeaves, retired);
  if (!rootOf(edge).equals(checkpoint.root)) {
    const words = `the log's first ${checkpoint.size} entries do not give the root that was signed`;
    throw new WriterRefuses("log_changed", words);
  }
  await requireEdge(log.outside, edge);
  await requireBodies(log, checkpoint.size);
  return { edge, checkpoint };
}

/** How many entries were retired, at most as many as were signed. @throws OutsideDamaged */
async function requireRetirement(log: OpenedLog, checkpoint: SignedCheckpoint): Promise<number> {
  const { size } = await readRetirement(log);
  if (size <= checkpoint.size) return size;
  throw new OutsideDamaged(`${size} entries are noted as retired, ${checkpoint.size} were signed`);
}

/** The checkpoint outside, proved ours; null when there is none. @throws WriterRefuses */
export async function readOutsideCheckpoint({
  outside,
  signer,
}: Pick<LogContext, "outside" | "signer">): Promise<SignedCheckpoint | null> {
  const note = await outside.readCheckpoint();
  if (note === null) return null;
  const checkpoint = openCheckpoint(note, signer.key, signer.origin);
  if (checkpoint !== null) return checkpoint;
  const words = openNote(note, signer.key) === null ? "is not signed by this log's key" : "is of another log";
  throw new WriterRefuses("outside_checkpoint_forged", `the checkpoint outside ${words}`);
}

async function requireOwnKey({ outside, signer }: OpenedLog): Promise<void> {
  const vkey = await outside.readVkey();
  if (vkey === null) await outside.writeVkey(signer.vkey);
  else if (vkey.trim() !== signer.vkey) {
    const words = "audit.vkey outside is of another key or origin than this service signs with";
    throw new WriterRefuses("signing_key_changed", words);
  }
}

async function requireHistory({ pool }: OpenedLog, checkpoint: SignedCheckpoint | null): Promise<void> {
  const latest = await latestCheckpoint(pool);
  if (latest === null) return;
  if (checkpoint === null) {
    throw new WriterRefuses("outside_checkpoint_missing", "the store outside has lost its checkpoint");
  }
  if (checkpoint.size < latest.size) {
    const words = `the checkpoint outside counts ${checkpoint.size} entries, ${latest.size} were signed`;
    throw new WriterRefuses("outside_checkpoint_older", words);
  }
  if (checkpoint.size === latest.size && !checkpoint.root.equals(latest.root)) {
    throw new WriterRefuses("log_changed", "the history has another root than the checkpoint outside");
  }
}

async function requireSize({ pool }: OpenedLog, least: number): Promise<void> {
  const [size, expected] = [await tableSize(pool), await expectedSize(pool)];
  if (size < least || size !== expected) {
    const words = `the log has ${size} entries, ${Math.max(least, expected)} were appended`;
    throw new WriterRefuses("log_truncated", words);
  }
}

/** Entries that no checkpoint covers yet: few, since one is due every few seconds. */
async function requireOwnTail({ pool }: OpenedLog, own: OwnEntries, from: number): Promise<void> {
  for (let at = from; ; at += TAIL_ROWS) {
    const rows = await leafRowsFrom(pool, at, TAIL_ROWS);
    own.require(rows);
    if (rows.length < TAIL_ROWS) return;
  }
}

/** The partial tiles are the only ones that deriveEdge does not hold against the store. */
async function requireEdge(outside: OutsideStore, edge: Edge): Promise<void> {
  const readTile = tilesAt(outside, edge.size);
  for (const tile of partialTiles(edge)) {
    if (await isKept(readTile, tile)) continue;
    throw new WriterRefuses("outside_store_damaged", `tile ${tile.level}/${tile.index} outside was changed`);
  }
}

/** The last bundle, whose end a crash may have torn; verification reads the whole ones. */
async function requireBodies({ pool, outside }: OpenedLog, size: number): Promise<void> {
  const bundle = Math.floor((size - 1) / TILE_WIDTH);
  const kept = await outside.readBodies(bundle);
  const rows = await leafRowsFrom(pool, bundle * TILE_WIDTH, size - bundle * TILE_WIDTH);
  for (const [at, row] of rows.entries()) {
    if (kept[at]?.id === row.id && kept[at].sealed.equals(row.sealed)) continue;
    const words = `the body of entry ${row.idx} outside is not the one in the log`;
    throw new WriterRefuses("outside_store_damaged", words);
  }
}
