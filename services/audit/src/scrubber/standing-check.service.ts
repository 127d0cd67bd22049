import type { LogContext } from "../context.ts";
import { latestCheckpoint } from "../log/checkpoint.store.ts";
import { bothSizes } from "../log/lease.store.ts";
import { readRetirement } from "../log/retirement.service.ts";
import { tilesAt } from "../outside/outside.store.ts";
import { missingPartitions } from "../retention/missing-partition.service.ts";
import { openCheckpoint, type SignedCheckpoint } from "../tree/checkpoint.ts";
import { type ReadTile, rootFromTiles } from "../tree/proof.ts";
import { hashesAtLevel, TILE_WIDTH } from "../tree/tile.ts";
import type { Finding } from "./finding.ts";
import { isUnder, orDamaged, type Standing } from "./tile-check.service.ts";

type CheckedLog = Pick<LogContext, "pool" | "outside" | "signer">;

/** Upper tiles that are read in one round: of 10 million entries all within a minute. */
const UPPER_TILES = 8;

/**
 * Checks what holds for the log as a whole: the checkpoint outside is ours, no older than the
 * history says and than the one `seen` before, whose log it extends; tiles give its root; the table
 * ends where appends left it, and not before what was signed. `round` says which upper tiles are
 * read.
 */
export async function checkStanding(
  log: CheckedLog,
  seen: SignedCheckpoint | null,
  round: number,
): Promise<{ found: Finding[]; standing: Standing }> {
  // In this order: the writer replaces the one outside first, which is never the older one; and
  // entries are appended before they are signed.
  const latest = await latestCheckpoint(log.pool);
  const note = await log.outside.readCheckpoint();
  const { size, appended } = await bothSizes(log.pool);
  const outside = note === null ? null : openCheckpoint(note, log.signer.key, log.signer.origin);
  const known = largest(seen, latest && openCheckpoint(latest.note, log.signer.key, log.signer.origin));
  const checkpoint = largest(outside, known);
  const found = [
    ...wrongCheckpoint(note, outside, known, latest?.size ?? 0),
    ...wrongSize(size, appended, checkpoint?.size ?? 0),
    ...(await wrongRetirement(log, checkpoint?.size ?? 0)),
    ...((await orDamaged(missingPartitions(log))) ?? []).map(
      ({ from }): Finding => ({ fault: "entry_deleted", index: from }),
    ),
    ...(checkpoint ? await wrongRoot(log, checkpoint, seen, round) : []),
  ];
  return { found, standing: { size: Math.min(size, appended), checkpoint } };
}

/** Where both are of one size the first: the one outside. */
function largest(one: SignedCheckpoint | null, other: SignedCheckpoint | null): SignedCheckpoint | null {
  return (one?.size ?? 0) >= (other?.size ?? 0) ? one : other;
}

function wrongCheckpoint(
  note: string | null,
  outside: SignedCheckpoint | null,
  known: SignedCheckpoint | null,
  latestSize: number,
): Finding[] {
  const least = Math.max(known?.size ?? 0, latestSize);
  if (note === null) return least > 0 ? [{ fault: "checkpoint_missing", index: null }] : [];
  if (outside === null) return [{ fault: "checkpoint_forged", index: null }];
  return outside.size < least ? [{ fault: "checkpoint_older", index: outside.size }] : [];
}

function wrongSize(size: number, appended: number, signed: number): Finding[] {
  if (size < Math.max(appended, signed)) return [{ fault: "log_truncated", index: size }];
  return size > appended ? [{ fault: "entry_inserted", index: appended }] : [];
}

async function wrongRetirement(log: CheckedLog, signed: number): Promise<Finding[]> {
  const retirement = await orDamaged(readRetirement(log));
  const isRight = retirement !== null && retirement.size <= signed;
  return isRight ? [] : [{ fault: "retirement_forged", index: null }];
}

async function wrongRoot(
  { outside }: CheckedLog,
  checkpoint: SignedCheckpoint,
  seen: SignedCheckpoint | null,
  round: number,
): Promise<Finding[]> {
  const readTile = tilesAt(outside, checkpoint.size);
  const upper = await wrongUpperTile(readTile, checkpoint.size, round);
  if (upper) return [upper];
  const root = await orDamaged(rootFromTiles(readTile, checkpoint.size));
  // A lost or cut tile at the right edge is named by the check of that tile.
  if (root === null) return [{ fault: "root_not_signed", index: null }];
  const isSeen = seen === null || seen.size > checkpoint.size || (await extendsSeen(readTile, seen));
  return root.equals(checkpoint.root) && isSeen ? [] : [{ fault: "root_not_signed", index: null }];
}

const extendsSeen = async (readTile: ReadTile, seen: SignedCheckpoint): Promise<boolean> =>
  (await orDamaged(rootFromTiles(readTile, seen.size)))?.equals(seen.root) ?? true;

/** Full tiles above the lowest level, some in each round. */
async function wrongUpperTile(readTile: ReadTile, signed: number, round: number): Promise<Finding | null> {
  for (let level = 1; hashesAtLevel(signed, level) >= TILE_WIDTH; level += 1) {
    const full = Math.floor(hashesAtLevel(signed, level) / TILE_WIDTH);
    for (let step = 0; step < Math.min(UPPER_TILES, full); step += 1) {
      const index = (round * UPPER_TILES + step) % full;
      const hashes = await orDamaged(readTile(level, index, TILE_WIDTH));
      if (hashes !== null && (await isUnder(readTile, level, index, hashes, signed))) continue;
      return { fault: "upper_tile_changed", index: index * TILE_WIDTH ** (level + 1) };
    }
  }
  return null;
}
