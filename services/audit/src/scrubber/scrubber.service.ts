import { setImmediate, setTimeout } from "node:timers/promises";
import { inTransaction } from "@medvault/postgres";
import type { LogContext } from "../context.ts";
import type { SignedCheckpoint } from "../tree/checkpoint.ts";
import { TILE_WIDTH } from "../tree/tile.ts";
import {
  closeFinding,
  entriesSince,
  type OpenFinding,
  openFindings,
  readWalk,
  recordFinding,
  writeWalk,
} from "./finding.store.ts";
import { type Finding, isOf, type Scope, walkTiles } from "./finding.ts";
import { glance } from "./glance.store.ts";
import { checkSequences, refillIfEmpty } from "./sequence-check.service.ts";
import { checkStanding } from "./standing-check.service.ts";
import { checkTile, type Standing } from "./tile-check.service.ts";

/** The pause between two rounds. */
export const ROUND_MS = 2_000;
/** Tiles at the end of the log that every round glances at: 10,240 entries. */
const TAIL_TILES = 40;
/** Tiles before them that a round glances at, in turn: 100,000 entries take three rounds. */
const WINDOW_TILES = 192;
/** Tiles that were written again since they were read, which a round reads beyond its budget. */
const CHANGED_TILES = 64;
/** What was wrong for a moment, as between two writes, is no finding. */
const CONFIRM_MS = 150;
/** How long a finding is shown at the least, though all be well again: a monitor looks at times. */
const SHOWN_MS = 600_000;
const DAY_MS = 86_400_000;
/** A walk over a log whose every tile is bad says so by its first ones. */
const MOST_BAD_TILES = 8;
/** Tiles that were bad, which a round looks at again. */
const BAD_TILES_AGAIN = 2;

/** Watches the past of the log: one round after another, in the process that writes it. */
export interface Scrubber {
  round(signal: AbortSignal): Promise<void>;
  /** When the last whole round ended, in this process; null: none did. */
  readonly lookedAt: Date | null;
}

/**
 * Each round checks the checkpoint, the tree's root, the size and the numbers; glances at the
 * versions of rows and files at the log's end and in turn before it, and reads what was written
 * again or is not known yet; and reads some more tiles in order, whatever their versions say.
 * @param entriesPerSecond read at most, beside those of tiles that were written again.
 */
export function createScrubber(log: LogContext, entriesPerSecond: number): Scrubber {
  const mostEntries = (entriesPerSecond * ROUND_MS) / 1_000;
  /** How the tiles stood that were read and found right. */
  const known = new Map<number, string>();
  const bad = new Set<number>();
  let open: OpenFinding[] = [];
  let [rounds, windowAt] = [0, 0];
  let seen: SignedCheckpoint | null = null;
  let lookedAt: Date | null = null;

  /** What one check of a part finds twice, noted; and what it no longer finds, closed. */
  async function settle(scope: Scope, size: number, check: () => Promise<Finding[]>): Promise<boolean> {
    let found = await check();
    if (found.length > 0) {
      await setTimeout(CONFIRM_MS);
      const again = await check();
      found = found.filter((one) => again.some((other) => isSame(one, other)));
    }
    for (const finding of found) await note(finding);
    const before = log.now().getTime() - SHOWN_MS;
    for (const each of open) {
      const isOver = isOf(scope, each, size) && !found.some((one) => isSame(one, each));
      if (isOver && each.foundAt.getTime() < before) await closeFinding(log.pool, each);
    }
    return found.length === 0;
  }

  async function note(finding: Finding): Promise<void> {
    const isNew = await inTransaction(log.pool, (tx) => recordFinding(tx, finding, log.now()));
    if (isNew) log.logger.error(finding, "the audit log was changed");
  }

  async function standing(): Promise<Standing> {
    const first = await checkStanding(log, seen, rounds);
    let looks = 0;
    const check = async () => {
      looks += 1;
      return looks === 1 ? first.found : (await checkStanding(log, seen, rounds)).found;
    };
    const isRight = await settle("standing", first.standing.size, check);
    if (isRight) seen = first.standing.checkpoint;
    return first.standing;
  }

  async function sequences(size: number): Promise<void> {
    const check = async () => [(await checkSequences(log)) ?? []].flat();
    if (!(await settle("sequences", size, check))) await refillIfEmpty(log);
  }

  async function read(tile: number, now: Standing): Promise<boolean> {
    const check = async () => [(await checkTile(log, tile, now)) ?? []].flat();
    return await settle({ tile }, now.size, check);
  }

  /** Reads tiles, `stands` being how they stood before. */
  async function readAll(
    tiles: readonly number[],
    stands: ReadonlyMap<number, string>,
    now: Standing,
    signal: AbortSignal,
  ): Promise<void> {
    let wrong = 0;
    for (const tile of tiles) {
      if (signal.aborted || wrong >= MOST_BAD_TILES) return;
      const isRight = await read(tile, now);
      const stood = stands.get(tile);
      if (isRight) bad.delete(tile);
      else bad.add(tile);
      if (isRight && stood !== undefined) known.set(tile, stood);
      else if (!isRight) known.delete(tile);
      if (!isRight) wrong += 1;
      await setImmediate();
    }
  }

  async function lookAtVersions(now: Standing, signal: AbortSignal): Promise<void> {
    const end = Math.ceil(now.size / TILE_WIDTH);
    const tail = Math.max(0, end - TAIL_TILES);
    if (windowAt >= tail) windowAt = 0;
    const windowEnd = Math.min(tail, windowAt + WINDOW_TILES);
    const signed = now.checkpoint?.size ?? 0;
    const stands = new Map([
      ...(await glance(log.pool, log.outside, windowAt, windowEnd, signed)),
      ...(await glance(log.pool, log.outside, tail, end, signed)),
    ]);
    windowAt = windowEnd;
    const others = [...stands.keys()].filter((tile) => known.get(tile) !== stands.get(tile)).reverse();
    const isChanged = (tile: number) => known.has(tile) && (tile + 1) * TILE_WIDTH <= signed;
    const changed = others.filter((tile) => isChanged(tile)).slice(0, CHANGED_TILES);
    const fresh = others.filter((tile) => !isChanged(tile) && !bad.has(tile));
    const budget = Math.ceil(mostEntries / TILE_WIDTH);
    const again = others.filter((tile) => bad.has(tile)).slice(0, BAD_TILES_AGAIN);
    await readAll([...changed, ...fresh.slice(0, budget), ...again], stands, now, signal);
  }

  async function walkOn(now: Standing, signal: AbortSignal): Promise<void> {
    const end = Math.ceil(now.size / TILE_WIDTH);
    if (end === 0) return;
    const { position } = await readWalk(log.pool);
    const from = position < end ? position : 0;
    const day = await entriesSince(log.pool, new Date(log.now().getTime() - DAY_MS));
    const to = Math.min(end, from + walkTiles(day, ROUND_MS, mostEntries));
    const tiles = Array.from({ length: to - from }, (_, at) => from + at);
    await readAll(tiles, new Map(), now, signal);
    if (signal.aborted) return;
    if (to === end) await writeWalk(log.pool, 0, log.now());
    else await writeWalk(log.pool, to, null);
  }

  return {
    get lookedAt() {
      return lookedAt;
    },
    async round(signal) {
      rounds += 1;
      open = await openFindings(log.pool);
      const now = await standing();
      await sequences(now.size);
      await lookAtVersions(now, signal);
      await walkOn(now, signal);
      if (!signal.aborted) lookedAt = log.now();
    },
  };
}

const isSame = (one: Finding, other: Finding): boolean =>
  one.fault === other.fault && one.index === other.index;
