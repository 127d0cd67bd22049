import type { Actor, AuditVerification } from "@medvault/contracts";
import type { Context, LogContext } from "../context.ts";
import { readingEvent } from "../events/reading.events.ts";
import { type Arrivals, addArrival, arrivalsOf, wrongArrival } from "../log/arrivals.ts";
import { latestCheckpoint } from "../log/checkpoint.store.ts";
import { type LogRow, rowsFrom } from "../log/log.store.ts";
import { numberedOf } from "../log/numbered.ts";
import { readRetirement } from "../log/retirement.service.ts";
import { sizeAndArrived } from "../log/sequence.store.ts";
import { OutsideDamaged } from "../outside/outside.errors.ts";
import { type OutsideStore, tilesAt } from "../outside/outside.store.ts";
import { openCheckpoint, type SignedCheckpoint } from "../tree/checkpoint.ts";
import { type Edge, EMPTY_EDGE, extend, isKept, partialTiles, rootOf, type Tile } from "../tree/edge.ts";
import { leafHash } from "../tree/hash.ts";
import type { ReadTile } from "../tree/proof.ts";
import { TILE_WIDTH } from "../tree/tile.ts";
import { LogFault, VerificationRunning } from "./verification.errors.ts";
import { requireOutsideBody, requireRow } from "./verification.ts";

type VerifiedLog = Pick<LogContext, "pool" | "outside" | "seal" | "signer">;

/** Verifies the whole log, and records it. @throws VerificationRunning */
export async function verify(context: Context, actor: Actor): Promise<AuditVerification> {
  const { appender, verification } = context;
  if (verification.isRunning) throw new VerificationRunning();
  verification.isRunning = true;
  try {
    const found = await verifyLog(context);
    const details = { size: found.size, ok: found.ok };
    await appender.append(readingEvent(actor, "verified", { details }));
    return found;
  } finally {
    verification.isRunning = false;
  }
}

/**
 * Derives the whole log again from its bodies, a tile of 256 entries at a time: body -> event ->
 * leaf -> tree, held against columns, bodies and tiles outside, and the signed checkpoint; and the
 * numbers of producers, held against the table that completeness is told from. Some
 * 10,000 entries a second. Bounded by the size that the table has at its start.
 */
export async function verifyLog(log: VerifiedLog): Promise<AuditVerification> {
  let [size, signed] = [0, 0];
  try {
    // In this order: entries are appended before they are signed: what is signed now is there then.
    const checkpoint = await signedCheckpoint(log);
    const standing = await sizeAndArrived(log.pool);
    size = standing.size;
    signed = checkpoint?.size ?? 0;
    if (signed > size) throw new LogFault(`the log has ${size} entries, ${signed} were signed`, size);
    const arrivals = await walk(log, checkpoint, size);
    const wrong = wrongArrival(arrivals, standing.arrived);
    if (wrong !== null) throw new LogFault(`the numbers kept of ${wrong} are not those of the log's entries`);
    return { size, checkpointSize: signed, ok: true };
  } catch (error) {
    if (!(error instanceof LogFault || error instanceof OutsideDamaged)) throw error;
    const index = error instanceof LogFault ? error.index : null;
    const bad = index === null ? {} : { firstBadIndex: index };
    return { size, checkpointSize: signed, ok: false, reason: error.message, ...bad };
  }
}

async function signedCheckpoint({ pool, outside, signer }: VerifiedLog): Promise<SignedCheckpoint | null> {
  // In this order: the writer replaces the one outside first, which is never the older one.
  const latest = await latestCheckpoint(pool);
  const note = await outside.readCheckpoint();
  if (note === null) {
    if (latest !== null) throw new LogFault("the signed checkpoint outside Postgres is missing");
    return null;
  }
  const checkpoint = openCheckpoint(note, signer.key, signer.origin);
  if (checkpoint === null) throw new LogFault("the checkpoint outside Postgres is forged or of another log");
  if (latest !== null && latest.size > checkpoint.size) {
    throw new LogFault(
      `the checkpoint outside is older than the one of ${latest.size} entries that was signed`,
    );
  }
  return checkpoint;
}

async function walk(log: VerifiedLog, checkpoint: SignedCheckpoint | null, size: number): Promise<Arrivals> {
  const signed = checkpoint?.size ?? 0;
  const readTile = tilesAt(log.outside, signed);
  const { retired, numbers } = await retirementOf(log, signed);
  const arrivals = arrivalsOf(numbers);
  let edge = await overRetired(log.outside, retired, readTile);
  while (edge.size < size) {
    const from = edge.size;
    // A step ends at the border of a tile, and at the signed size, where the root is compared.
    const border = (Math.floor(from / TILE_WIDTH) + 1) * TILE_WIDTH;
    const to = Math.min(border, size, from < signed ? signed : size);
    const rows = await requireRows(log, from, to, arrivals);
    if (from < signed) await requireOutside(log.outside, rows, readTile);
    const grown = extend(
      edge,
      rows.map((row) => leafHash(row.leaf)),
    );
    if (from < signed) for (const tile of grown.full) await requireTile(readTile, tile);
    edge = grown.edge;
    if (edge.size === signed) await requireRoot(edge, checkpoint, readTile);
  }
  return arrivals;
}

/**
 * How many entries are retired and gone. Where the log still has such entries (a crash before they
 * were dropped) it has all of them, from the first that is there on.
 */
async function retirementOf(log: VerifiedLog, signed: number) {
  const { size, numbers } = await readRetirement(log);
  if (size > signed) throw new LogFault(`${size} entries are noted as retired, ${signed} were signed`);
  const [first] = size === 0 ? [] : await rowsFrom(log.pool, 0, size, 1);
  const retired = first ? Math.floor(first.idx / TILE_WIDTH) * TILE_WIDTH : size;
  return { retired, numbers };
}

/** The edge behind what is retired, of which the leaves are outside. */
async function overRetired(outside: OutsideStore, retired: number, readTile: ReadTile): Promise<Edge> {
  let edge: Edge = EMPTY_EDGE;
  while (edge.size < retired) {
    const leaves = await outside.readLeaves(edge.size / TILE_WIDTH);
    const grown = extend(
      edge,
      leaves.map((leaf) => leafHash(leaf)),
    );
    for (const tile of grown.full) await requireTile(readTile, tile);
    edge = grown.edge;
  }
  return edge;
}

async function requireRows(
  { pool, seal }: VerifiedLog,
  from: number,
  to: number,
  arrivals: Arrivals,
): Promise<LogRow[]> {
  const rows = await rowsFrom(pool, from, to, to - from);
  for (const [at, row] of rows.entries()) {
    const event = requireRow(seal, row, from + at);
    const numbered = numberedOf(event, row);
    if (numbered) addArrival(arrivals, numbered);
  }
  if (rows.length < to - from)
    throw new LogFault(`entry ${from + rows.length} is missing`, from + rows.length);
  return rows;
}

async function requireOutside(
  outside: OutsideStore,
  rows: readonly LogRow[],
  readTile: ReadTile,
): Promise<void> {
  const bundle = Math.floor((rows[0]?.idx ?? 0) / TILE_WIDTH);
  const bodies = await outside.readBodies(bundle);
  const last = (rows.at(-1)?.idx ?? 0) % TILE_WIDTH;
  const hashes = await readTile(0, bundle, last + 1);
  for (const row of rows) {
    if (!hashes[row.idx % TILE_WIDTH]?.equals(leafHash(row.leaf))) {
      throw new LogFault("the leaf is not the one in the tile outside Postgres", row.idx);
    }
    requireOutsideBody(row, bodies[row.idx % TILE_WIDTH]);
  }
}

async function requireTile(readTile: ReadTile, tile: Tile): Promise<void> {
  if (await isKept(readTile, tile)) return;
  const { level, index } = tile;
  throw new LogFault(
    `tile ${level}/${index} outside Postgres was changed`,
    index * TILE_WIDTH ** (level + 1),
  );
}

async function requireRoot(
  edge: Edge,
  checkpoint: SignedCheckpoint | null,
  readTile: ReadTile,
): Promise<void> {
  for (const tile of partialTiles(edge)) await requireTile(readTile, tile);
  if (checkpoint && !rootOf(edge).equals(checkpoint.root)) {
    throw new LogFault("the entries do not give the root that was signed");
  }
}
