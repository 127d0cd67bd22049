import { setTimeout as delay } from "node:timers/promises";
import {
  type AuditCheckpointPage,
  type AuditConsistency,
  type AuditEventView,
  type AuditProof,
  decodeCursor,
  encodeCursor,
  Forbidden,
  InvalidInput,
  NotFound,
  type PageQuery,
  scopeOf,
} from "@medvault/contracts";
import type { Caller } from "@medvault/service-kit";
import { z } from "zod";
import type { Context } from "../context.ts";
import { viewOf } from "../events/event.ts";
import { readingEvent } from "../events/reading.events.ts";
import { checkpointOfSize, checkpointsBelow } from "../log/checkpoint.store.ts";
import { eventOf, splitBody } from "../log/entry.ts";
import { type LogRow, leavesBetween, rowById } from "../log/log.store.ts";
import { readRetirement } from "../log/retirement.service.ts";
import { namesOnly } from "../my-access/visit.ts";
import { OutsideDamaged } from "../outside/outside.errors.ts";
import { tilesAt } from "../outside/outside.store.ts";
import { openCheckpoint, type SignedCheckpoint } from "../tree/checkpoint.ts";
import { leafHash } from "../tree/hash.ts";
import { consistencyProof, inclusionProof, rootFromTiles } from "../tree/proof.ts";
import { consistencyHolds, rootFromInclusion } from "../tree/proof-check.ts";
import { encodeEntryBundle, encodeTile, TILE_WIDTH, type TileName, tileWidth } from "../tree/tile.ts";
import { AuditLogDamaged, NotYetSigned, ProofNamesOthers } from "./proof.errors.ts";

const Cursor = z.int().positive();
const POLL_MS = 100;

/** Checkpoints that were signed, largest first. */
export async function listCheckpoints(
  { pool }: Context,
  { limit, cursor }: PageQuery,
): Promise<z.infer<typeof AuditCheckpointPage>> {
  const found = await checkpointsBelow(pool, decodeCursor(Cursor, cursor) ?? null, limit + 1);
  const items = found.slice(0, limit);
  const last = found.length > limit ? items.at(-1) : undefined;
  return {
    items: items.map(({ size, root, note, signedAt }) => ({
      size,
      root: root.toString("base64"),
      note,
      signedAt: signedAt.toISOString(),
    })),
    nextCursor: last ? encodeCursor(last.size) : null,
  };
}

/** The latest signed checkpoint. @throws NotYetSigned, AuditLogDamaged */
export async function readCheckpoint({ outside, signer }: Context): Promise<SignedCheckpoint> {
  const note = await outside.readCheckpoint();
  if (note === null) throw new NotYetSigned();
  const checkpoint = openCheckpoint(note, signer.key, signer.origin);
  if (checkpoint === null) throw new AuditLogDamaged();
  return checkpoint;
}

/**
 * The proof that one event is in the log, checked before it leaves: for who reads the whole log,
 * and for the patient whom it is about. @throws Forbidden, NotFound, ProofNamesOthers,
 * Unavailable, NotYetSigned, AuditLogDamaged
 */
export async function proveInclusion(context: Context, actor: Caller, id: string): Promise<AuditProof> {
  const scope = scopeOf(actor, "audit:read");
  if (scope !== "any" && scope !== "own") throw new Forbidden();
  const charts = scope === "own" ? new Set(await context.ownCharts.of(actor)) : null;
  const row = await rowById(context.pool, id);
  if (row === null) throw new NotFound();
  if (charts) requireAbout(viewOf(context.seal, row), charts);
  const proof = await damagedWhenOutsideIs(() => inclusionOf(context, row));
  const about = { subject: `audit/${row.id}`, patientIds: row.patientIds };
  await context.appender.append(readingEvent(actor, "proved", about));
  return proof;
}

/**
 * Requires that an event is about these charts: by its sealed body, which the proof shows whole.
 * @throws NotFound (also where the body is damaged: whom it named is not known), ProofNamesOthers
 */
function requireAbout({ patientIds, damaged }: AuditEventView, charts: ReadonlySet<string>): void {
  if (damaged || !patientIds.some((id) => charts.has(id.toLowerCase()))) throw new NotFound();
  if (!namesOnly(patientIds, charts)) throw new ProofNamesOthers();
}

/**
 * The proof that the log of `to` entries extends the one of `from`, checked before it leaves.
 * @throws InvalidInput, NotYetSigned, AuditLogDamaged
 */
export async function proveConsistency(
  context: Context,
  { from, to }: { from: number; to: number },
): Promise<AuditConsistency> {
  const checkpoint = await readCheckpoint(context);
  if (from > to || to > checkpoint.size) {
    const message = from > to ? "is less than `from`" : "is beyond the latest checkpoint";
    throw new InvalidInput("The sizes do not fit the log.", [{ path: "to", message }]);
  }
  return await damagedWhenOutsideIs(() => consistencyOf(context, checkpoint, from, to));
}

/** A tile or entry bundle of the signed tree. @throws NotFound, NotYetSigned, AuditLogDamaged */
export async function readTile(context: Context, { level, index, width }: TileName): Promise<Buffer> {
  const checkpoint = await readCheckpoint(context);
  if (width > tileWidth(checkpoint.size, level === "entries" ? 0 : level, index)) throw new NotFound();
  if (level === "entries") return await damagedWhenOutsideIs(() => entryBundle(context, index, width));
  const tiles = tilesAt(context.outside, checkpoint.size);
  return await damagedWhenOutsideIs(async () => encodeTile([...(await tiles(level, index, width))]));
}

/** Waits until a checkpoint counts more than `idx` entries. @throws NotYetSigned */
export async function checkpointCovering(context: Context, idx: number): Promise<SignedCheckpoint> {
  const until = performance.now() + context.proofWaitMs;
  for (;;) {
    const checkpoint = await readCheckpoint(context).catch((error: unknown) => {
      if (error instanceof NotYetSigned) return null;
      throw error;
    });
    if (checkpoint !== null && checkpoint.size > idx) return checkpoint;
    if (performance.now() >= until) throw new NotYetSigned();
    await delay(POLL_MS);
  }
}

async function inclusionOf(context: Context, row: LogRow): Promise<AuditProof> {
  const { seal, outside } = context;
  const body = seal.open(row.idx, row.id, row.sealed);
  const split = body && eventOf(body, row.leaf) ? splitBody(body) : null;
  if (split === null) throw new AuditLogDamaged();
  const checkpoint = await checkpointCovering(context, row.idx);
  const hashes = await inclusionProof(tilesAt(outside, checkpoint.size), row.idx, checkpoint.size);
  const root = rootFromInclusion(leafHash(row.leaf), row.idx, checkpoint.size, hashes);
  if (!root?.equals(checkpoint.root)) throw new AuditLogDamaged();
  return {
    leafIndex: row.idx,
    leaf: row.leaf.toString("base64"),
    salt: split.salt.toString("base64"),
    canonicalEvent: split.canonicalEvent.toString("base64"),
    treeSize: checkpoint.size,
    hashes: hashes.map((hash) => hash.toString("base64")),
    checkpoint: checkpoint.note,
  };
}

async function consistencyOf(
  { pool, outside }: Context,
  checkpoint: SignedCheckpoint,
  from: number,
  to: number,
): Promise<AuditConsistency> {
  const tiles = tilesAt(outside, checkpoint.size);
  const rootAt = (size: number) =>
    size === checkpoint.size ? Promise.resolve(checkpoint.root) : rootFromTiles(tiles, size);
  const [hashes, older, newer] = [
    await consistencyProof(tiles, from, to),
    await rootAt(from),
    await rootAt(to),
  ];
  if (!consistencyHolds(from, older, to, newer, hashes)) throw new AuditLogDamaged();
  const [past, present] = [await checkpointOfSize(pool, from), await checkpointOfSize(pool, to)];
  return {
    from,
    to,
    hashes: hashes.map((hash) => hash.toString("base64")),
    fromCheckpoint: past?.note ?? null,
    toCheckpoint: to === checkpoint.size ? checkpoint.note : (present?.note ?? null),
  };
}

async function entryBundle(context: Context, index: number, width: number): Promise<Buffer> {
  const from = index * TILE_WIDTH;
  const { size: retired } = await readRetirement(context);
  if (from < retired) return encodeEntryBundle((await context.outside.readLeaves(index)).slice(0, width));
  const rows = await leavesBetween(context.pool, from, from + width);
  if (rows.length < width) throw new AuditLogDamaged();
  return encodeEntryBundle(rows.map((row) => row.leaf));
}

async function damagedWhenOutsideIs<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof OutsideDamaged ? new AuditLogDamaged() : error;
  }
}
