import { inTransaction, type Tx } from "@medvault/postgres";
import type { LogContext } from "../context.ts";
import type { OutsideStore } from "../outside/outside.store.ts";
import type { SignedCheckpoint } from "../tree/checkpoint.ts";
import { type Edge, partialTiles, rootOf } from "../tree/edge.ts";
import { TILE_WIDTH } from "../tree/tile.ts";
import { recordCheckpoint } from "./checkpoint.store.ts";
import { lockWriter } from "./lease.store.ts";
import { growByRows } from "./local-tree.service.ts";
import { type LeafRow, leafRowsFrom } from "./log.store.ts";
import { type Published, readOutsideCheckpoint } from "./opening.service.ts";
import type { OwnEntries } from "./own-entries.ts";
import { WriterRefuses } from "./writer.errors.ts";

/** Rows that are read in one step; a checkpoint covers as many steps as there are. */
const STEP_ROWS = 4 * TILE_WIDTH;
/** A signature is not put off for ever by a log that grows as fast as it is read. */
const MAX_STEPS = 64;

type PublishedLog = Pick<LogContext, "pool" | "outside" | "signer" | "now">;

/**
 * Publishes what was appended since `before`: bodies and tiles outside, then the signed checkpoint,
 * in that order, so that a checkpoint never covers what could be lost with Postgres. Every step can
 * be repeated: a crash between any two leaves only files that the next run writes again, the same
 * bytes to the same places. Gives the new state, or `before` when there was nothing new.
 * @throws WriterRefuses, WriterFenced, OutsideDamaged
 */
export async function publish(
  log: PublishedLog,
  own: OwnEntries,
  epoch: number,
  before: Published,
): Promise<Published> {
  const edge = await growOutside(log, own, epoch, before.edge);
  if (edge.size === before.edge.size) return before;
  for (const tile of partialTiles(edge)) await log.outside.writeTile(epoch, tile);
  return await inTransaction(log.pool, (tx) => sign(log, tx, epoch, before, edge));
}

async function growOutside(
  { pool, outside }: PublishedLog,
  own: OwnEntries,
  epoch: number,
  from: Edge,
): Promise<Edge> {
  const appended = own.size;
  let edge = from;
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const rows = await leafRowsFrom(pool, edge.size, STEP_ROWS);
    const grown = growByRows(edge, rows);
    own.require(rows);
    if (rows.length < STEP_ROWS && grown.edge.size < appended) {
      const words = `the log ends at ${grown.edge.size} entries, ${appended} were appended`;
      throw new WriterRefuses("log_truncated", words);
    }
    if (rows.length === 0) break;
    await writeBodies(outside, epoch, rows);
    for (const tile of grown.full) await outside.writeTile(epoch, tile);
    edge = grown.edge;
    if (rows.length < STEP_ROWS) break;
  }
  return edge;
}

async function writeBodies(outside: OutsideStore, epoch: number, rows: readonly LeafRow[]): Promise<void> {
  const bundles = Map.groupBy(rows, (row) => Math.floor(row.idx / TILE_WIDTH));
  for (const [bundle, bodies] of bundles) {
    await outside.writeBodies(epoch, bundle, (bodies[0]?.idx ?? 0) % TILE_WIDTH, bodies);
  }
}

/**
 * Under the lock of the writer's row, so that a writer that was fenced off signs nothing; the store
 * outside takes nothing of it either, should it hang in between. The checkpoint there is read
 * again: it must be the one that this writer left.
 */
async function sign(
  log: PublishedLog,
  tx: Tx,
  epoch: number,
  before: Published,
  edge: Edge,
): Promise<Published> {
  const lease = await lockWriter(tx, epoch);
  if (edge.size > lease.size) {
    throw new WriterRefuses("sequence_of_leaves_broken", "the log holds entries that no writer appended");
  }
  const checkpoint = log.signer.sign({ size: edge.size, root: rootOf(edge) });
  await requireExtension(log, before, checkpoint);
  await log.outside.writeCheckpoint(epoch, checkpoint.note);
  if (before.checkpoint) await recordCheckpoint(tx, before.checkpoint, log.now());
  await recordCheckpoint(tx, checkpoint, log.now());
  return { edge, checkpoint };
}

async function requireExtension(log: PublishedLog, before: Published, next: SignedCheckpoint): Promise<void> {
  const found = await readOutsideCheckpoint(log);
  if ((found?.note ?? null) === (before.checkpoint?.note ?? null)) return;
  // The transaction runs again after a deadlock; Ed25519 signs the same text with the same bytes.
  if (found?.note === next.note) return;
  const [size, was] = [found?.size ?? 0, before.edge.size];
  if (found === null) throw new WriterRefuses("outside_checkpoint_missing", "the checkpoint outside is gone");
  if (size < was) {
    throw new WriterRefuses(
      "outside_checkpoint_older",
      `the checkpoint outside went back from ${was} to ${size}`,
    );
  }
  throw new WriterRefuses(
    "outside_checkpoint_unknown",
    `another writer signed a checkpoint of ${size} entries`,
  );
}
