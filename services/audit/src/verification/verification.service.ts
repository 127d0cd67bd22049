import { type Actor, AppError, type AuditVerification, type NewEvent } from "@medvault/contracts";
import type pg from "pg";
import { latestCheckpoint } from "../checkpoints/checkpoint.store.ts";
import { readingEvent } from "../events/reading.ts";
import type { BodySeal } from "../log/body-seal.ts";
import { type LogRow, rowsFrom, tableSize } from "../log/log.store.ts";
import { OutsideDamaged } from "../outside/outside.errors.ts";
import type { OutsideStore } from "../outside/outside.store.ts";
import { tilesAt } from "../outside/tiles-at.ts";
import { openCheckpoint, type SignedCheckpoint } from "../tree/checkpoint.ts";
import { type Edge, EMPTY_EDGE, extend, partialTiles, rootOf, type Tile } from "../tree/edge.ts";
import { leafHash } from "../tree/hash.ts";
import type { NoteKey } from "../tree/note.ts";
import type { ReadTile } from "../tree/proof.ts";
import { TILE_WIDTH } from "../tree/tile.ts";
import { checkOutsideBody, checkRow, LogFault } from "./verification.ts";

/** 409: one verification at a time; each reads the whole log. */
class VerificationRunning extends AppError {
  readonly code = "verification_running";
  readonly kind = "conflict";
  constructor() {
    super("A verification is under way.", { retryAfterSeconds: 30 });
  }
}

export interface VerificationParts {
  readonly pool: pg.Pool;
  readonly outside: OutsideStore;
  readonly seal: BodySeal;
  readonly key: NoteKey;
  readonly origin: string;
  readonly record: (event: NewEvent) => Promise<void>;
}

/**
 * Derives the whole log again from its bodies, a tile of 256 entries at a time: body -> event -> leaf -> tree, held
 * against columns, bodies and tiles outside, and the signed checkpoint. Some 10,000 entries a second.
 */
export function createVerification(parts: VerificationParts) {
  let running = false;
  return {
    /** @throws VerificationRunning */
    async verify(actor: Actor): Promise<AuditVerification> {
      if (running) throw new VerificationRunning();
      running = true;
      try {
        const found = await verifyLog(parts);
        const details = { size: found.size, ok: found.ok };
        await parts.record(readingEvent(actor, "verified", { details }));
        return found;
      } finally {
        running = false;
      }
    },
  };
}
export type Verification = ReturnType<typeof createVerification>;

/** One run, bounded by the size that the table has at its start. */
export async function verifyLog(parts: VerificationParts): Promise<AuditVerification> {
  let [size, signed] = [0, 0];
  try {
    size = await tableSize(parts.pool);
    const checkpoint = await signedCheckpoint(parts);
    signed = checkpoint?.size ?? 0;
    if (signed > size) throw new LogFault(`the log has ${size} entries, ${signed} were signed`, size);
    await walk(parts, checkpoint, size);
    return { size, checkpointSize: signed, ok: true };
  } catch (error) {
    if (!(error instanceof LogFault || error instanceof OutsideDamaged)) throw error;
    const index = error instanceof LogFault ? error.index : null;
    const bad = index === null ? {} : { firstBadIndex: index };
    return { size, checkpointSize: signed, ok: false, reason: error.message, ...bad };
  }
}

async function signedCheckpoint({
  pool,
  outside,
  key,
  origin,
}: VerificationParts): Promise<SignedCheckpoint | null> {
  const [note, latest] = [await outside.readCheckpoint(), await latestCheckpoint(pool)];
  if (note === null) {
    if (latest !== null) throw new LogFault("the signed checkpoint outside Postgres is missing");
    return null;
  }
  const checkpoint = openCheckpoint(note, key, origin);
  if (checkpoint === null) throw new LogFault("the checkpoint outside Postgres is forged or of another log");
  if (latest !== null && latest.size > checkpoint.size) {
    throw new LogFault(
      `the checkpoint outside is older than the one of ${latest.size} entries that was signed`,
    );
  }
  return checkpoint;
}

async function walk(
  parts: VerificationParts,
  checkpoint: SignedCheckpoint | null,
  size: number,
): Promise<void> {
  const signed = checkpoint?.size ?? 0;
  const readTile = tilesAt(parts.outside, signed);
  let edge: Edge = EMPTY_EDGE;
  while (edge.size < size) {
    const from = edge.size;
    // A step ends at the border of a tile, and at the signed size, where the root is compared.
    const border = (Math.floor(from / TILE_WIDTH) + 1) * TILE_WIDTH;
    const to = Math.min(border, size, from < signed ? signed : size);
    const rows = await checkedRows(parts, from, to);
    if (from < signed) await checkOutside(parts.outside, rows, readTile);
    const grown = extend(
      edge,
      rows.map((row) => leafHash(row.leaf)),
    );
    if (from < signed) for (const tile of grown.full) await checkTile(readTile, tile);
    edge = grown.edge;
    if (edge.size === signed) await checkRoot(edge, checkpoint, readTile);
  }
}

async function checkedRows({ pool, seal }: VerificationParts, from: number, to: number): Promise<LogRow[]> {
  const rows = await rowsFrom(pool, from, to, to - from);
  for (const [at, row] of rows.entries()) checkRow(seal, row, from + at);
  if (rows.length < to - from)
    throw new LogFault(`entry ${from + rows.length} is missing`, from + rows.length);
  return rows;
}

async function checkOutside(
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
    checkOutsideBody(row, bodies[row.idx % TILE_WIDTH]);
  }
}

async function checkTile(readTile: ReadTile, { level, index, hashes }: Tile): Promise<void> {
  const kept = await readTile(level, index, hashes.length);
  if (hashes.every((hash, at) => kept[at]?.equals(hash))) return;
  throw new LogFault(
    `tile ${level}/${index} outside Postgres was changed`,
    index * TILE_WIDTH ** (level + 1),
  );
}

async function checkRoot(edge: Edge, checkpoint: SignedCheckpoint | null, readTile: ReadTile): Promise<void> {
  for (const tile of partialTiles(edge)) await checkTile(readTile, tile);
  if (checkpoint && !rootOf(edge).equals(checkpoint.root)) {
    throw new LogFault("the entries do not give the root that was signed");
  }
}
