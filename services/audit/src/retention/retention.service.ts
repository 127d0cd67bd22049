import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import type { Context } from "../context.ts";
import { type Arrivals, addArrival, arrivalsOf } from "../log/arrivals.ts";
import { rowsFrom } from "../log/log.store.ts";
import { numberedOf } from "../log/numbered.ts";
import { readOutsideCheckpoint } from "../log/opening.service.ts";
import { readRetirement } from "../log/retirement.service.ts";
import { tilesAt } from "../outside/outside.store.ts";
import { leafHash } from "../tree/hash.ts";
import { type ReadTile, rootFromTiles } from "../tree/proof.ts";
import { TILE_WIDTH } from "../tree/tile.ts";
import { LogFault } from "../verification/verification.errors.ts";
import { requireOutsideBody, requireRow } from "../verification/verification.ts";
import { dropEntries, firstDuePartition, type IndexRange } from "./partition.store.ts";
import { logRetired } from "./retention.events.ts";

type RetainedLog = Pick<Context, "pool" | "outside" | "seal" | "signer" | "now" | "retention">;

/**
 * Drops the partitions whose time is over, one after another, and the bodies outside of what was
 * dropped; gives how many entries. Nothing under a legal hold, and nothing that is damaged: an
 * entry that does not verify stays, as evidence. Leaves and tiles stay, so that every proof of the
 * tree holds.
 * @throws LogFault, OutsideDamaged, WriterRefuses where the log is not whole
 */
export async function retire(log: RetainedLog, signal: AbortSignal): Promise<number> {
  if (log.retention.isHeld) return 0;
  const cutoff = log.now();
  cutoff.setUTCFullYear(cutoff.getUTCFullYear() - log.retention.years);
  let count = 0;
  for (;;) {
    await removeRetiredBodies(log, signal);
    const due = await firstDuePartition(log.pool, cutoff);
    if (due === null || signal.aborted) return count;
    count += await retirePartition(log, due, signal);
  }
}

/**
 * In this order, so that a crash between any two leaves what the next run goes on with: leaves
 * outside, then in one transaction the drop, its event and the signed note; then the bodies.
 */
async function retirePartition(log: RetainedLog, part: IndexRange, signal: AbortSignal): Promise<number> {
  const before = await readRetirement(log);
  // Noted already, and not dropped: a crash between the note and the commit.
  const note = part.to <= before.size ? null : await noteOf(log, part, before.numbers, before.size, signal);
  return await inTransaction(log.pool, async (tx) => {
    await tx.query("set local statement_timeout = '10min'");
    const count = await dropEntries(tx, part.to);
    if (count !== part.to - part.from) throw new LogFault(`entries before ${part.to} are missing`);
    await emit(tx, "audit", logRetired(part));
    if (note !== null) await log.outside.writeRetirement(note);
    return count;
  });
}

/** Verifies all of a partition, puts its leaves outside, and signs that it is retired. */
async function noteOf(
  log: RetainedLog,
  { from, to }: IndexRange,
  numbers: Parameters<typeof arrivalsOf>[0],
  retired: number,
  signal: AbortSignal,
): Promise<string> {
  if (from !== retired) throw new LogFault(`entries ${retired} to ${from} are missing`, retired);
  if (to % TILE_WIDTH !== 0) throw new RangeError(`the partition ends at ${to}, in the middle of a tile`);
  const checkpoint = await readOutsideCheckpoint(log);
  if (checkpoint === null || checkpoint.size < to) throw new LogFault("no checkpoint covers it", from);
  const readTile = tilesAt(log.outside, checkpoint.size);
  const arrivals = arrivalsOf(numbers);
  for (let at = from; at < to; at += TILE_WIDTH) {
    signal.throwIfAborted();
    await keepLeaves(log, at, readTile, arrivals);
  }
  const root = await rootFromTiles(readTile, to);
  return log.signer.signRetirement({ size: to, root, numbers: [...arrivals.values()] });
}

async function keepLeaves(
  log: RetainedLog,
  from: number,
  readTile: ReadTile,
  arrivals: Arrivals,
): Promise<void> {
  const bundle = from / TILE_WIDTH;
  const rows = await rowsFrom(log.pool, from, from + TILE_WIDTH, TILE_WIDTH);
  const [bodies, hashes] = [await log.outside.readBodies(bundle), await readTile(0, bundle, TILE_WIDTH)];
  for (const [at, hash] of hashes.entries()) {
    const row = rows[at];
    if (row === undefined) throw new LogFault(`entry ${from + at} is missing`, from + at);
    const numbered = numberedOf(requireRow(log.seal, row, from + at), row);
    requireOutsideBody(row, bodies[at]);
    if (!leafHash(row.leaf).equals(hash))
      throw new LogFault("the leaf is not the one in the tile", from + at);
    if (numbered) addArrival(arrivals, numbered);
  }
  await log.outside.writeLeaves(
    bundle,
    rows.map(({ leaf }) => leaf),
  );
}

/** Removes bodies outside of entries that the log does not have any more, upwards: see below. */
async function removeRetiredBodies(
  { pool, outside, signer }: RetainedLog,
  signal: AbortSignal,
): Promise<void> {
  const { size } = await readRetirement({ outside, signer });
  if (size === 0 || (await rowsFrom(pool, 0, size, 1)).length > 0) return;
  // A run that ended early left the upper ones.
  let bundle = size / TILE_WIDTH;
  while (bundle > 0 && (await outside.hasBodies(bundle - 1))) bundle -= 1;
  for (; bundle < size / TILE_WIDTH && !signal.aborted; bundle += 1) await outside.removeBodies(bundle);
}
