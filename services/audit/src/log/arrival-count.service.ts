import type { CloudEvent } from "@medvault/contracts";
import type pg from "pg";
import type { LogContext } from "../context.ts";
import type { Retirement } from "../tree/retirement.ts";
import { TILE_WIDTH } from "../tree/tile.ts";
import {
  type ArrivalSnapshot,
  readSnapshot,
  type SnapshotSeal,
  writeSnapshot,
} from "./arrival-snapshot.store.ts";
import { type Arrival, type Arrivals, addArrival, arrivalsOf, implausible } from "./arrivals.ts";
import type { BodySeal } from "./body-seal.ts";
import { columnsOf, looseEventOf } from "./entry.ts";
import { leafRowsFrom, leavesBetween, tableSize } from "./log.store.ts";
import { numberedOf } from "./numbered.ts";
import { readRetirement } from "./retirement.service.ts";
import type { Numbered } from "./sequence.store.ts";

/** Entries that are read in one step. */
const STEP_ROWS = 1_000;

/** An entry as it counts: its place, its leaf, and its number where it has one. */
export interface Counted {
  readonly leaf: Buffer;
  readonly numbered: Numbered | null;
}

/**
 * What arrived of each producer, counted from the sealed bodies of the log, which nobody without
 * its key can write: neither the table `sequences` nor a typed column is believed. Kept in memory;
 * a sealed snapshot spares a start from counting the whole log again.
 */
export interface ArrivalCount {
  /** Entries that are counted. */
  readonly size: number;
  readonly arrivals: ReadonlyMap<string, Arrival>;
  /** Entries that this process appended at `from` and that are committed. */
  add(from: number, entries: readonly Counted[]): void;
  /**
   * Counts up to the end of the log, or `most` entries towards it; whether it came to the end. An
   * entry that does not open counts for nothing: its number shows as missing.
   */
  catchUp(most: number): Promise<boolean>;
  /** Keeps what is counted for the next start. */
  save(): Promise<void>;
  /**
   * Those of the events whose numbers are believable; `refuse` is told of the others. While a long
   * log is being counted for the first time all are.
   */
  plausible(
    events: readonly CloudEvent[],
    refuse: (event: CloudEvent, code: string) => void,
    now: Date,
  ): Promise<CloudEvent[]>;
}

export function createArrivalCount(
  pool: pg.Pool,
  bodySeal: BodySeal,
  snapshotSeal: SnapshotSeal,
  log: Pick<LogContext, "outside" | "signer">,
): ArrivalCount {
  let [size, savedSize, isWhole] = [0, 0, false];
  let lastLeaf: Buffer | null = null;
  let arrivals: Arrivals = new Map();
  let work: Promise<unknown> = Promise.resolve();

  function take(idx: number, { leaf, numbered }: Counted): void {
    if (idx < size) return;
    if (numbered) addArrival(arrivals, numbered);
    [size, lastLeaf] = [idx + 1, leaf];
  }

  function startFrom(snapshot: ArrivalSnapshot | null): void {
    size = snapshot?.size ?? 0;
    savedSize = size;
    lastLeaf = snapshot?.lastLeaf ?? null;
    arrivals = arrivalsOf(snapshot?.arrivals ?? []);
  }

  /** Whether the log still has the entry where the counting stands. */
  async function stands(at: number, leaf: Buffer | null, retired: number): Promise<boolean> {
    if (at === 0) return retired === 0;
    if (at < retired) return false;
    const kept =
      at === retired ? await lastRetiredLeaf(at) : (await leavesBetween(pool, at - 1, at))[0]?.leaf;
    return leaf !== null && kept?.equals(leaf) === true;
  }

  const lastRetiredLeaf = async (size: number) =>
    (await log.outside.readLeaves(size / TILE_WIDTH - 1)).at(-1) ?? null;

  /** What the entries that are gone say, as the note of their retirement has it. */
  async function retiredSnapshot({ size, numbers }: Retirement): Promise<ArrivalSnapshot | null> {
    const lastLeaf = size === 0 ? null : await lastRetiredLeaf(size);
    return lastLeaf && { size, lastLeaf, arrivals: numbers };
  }

  async function findStart(logSize: number): Promise<void> {
    const retirement = await readRetirement(log);
    const isHere = size <= logSize && (await stands(size, lastLeaf, retirement.size));
    if (isHere && size > 0 && logSize - size <= STEP_ROWS) return;
    const snapshot = await readSnapshot(pool, snapshotSeal);
    const isUsable =
      snapshot !== null &&
      snapshot.size <= logSize &&
      (await stands(snapshot.size, snapshot.lastLeaf, retirement.size));
    if (isUsable && (!isHere || snapshot.size > size)) startFrom(snapshot);
    else if (!isHere) startFrom(await retiredSnapshot(retirement));
  }

  async function countTo(most: number): Promise<boolean> {
    const logSize = await tableSize(pool);
    await findStart(logSize);
    isWhole = false;
    for (const first = size; size < logSize && size - first < most; ) {
      const from = size;
      const rows = await leafRowsFrom(pool, from, Math.min(STEP_ROWS, logSize - from));
      for (const { idx, id, leaf, sealed } of rows) {
        const body = bodySeal.open(idx, id, sealed);
        const event = body && looseEventOf(body);
        take(idx, { leaf, numbered: event ? numberedOf(event, columnsOf(event)) : null });
      }
      if (size === from) size = logSize; // its last entries are gone, which others see to
      await new Promise(setImmediate);
    }
    isWhole = size >= logSize;
    return isWhole;
  }

  return {
    get size() {
      return size;
    },
    get arrivals() {
      return arrivals;
    },
    add(from, entries) {
      isWhole &&= from === size;
      if (from !== size) return; // the next look reads what the log has
      for (const [at, entry] of entries.entries()) take(from + at, entry);
    },
    catchUp(most) {
      const counted = work.then(() => countTo(most));
      work = counted.catch(() => {});
      return counted;
    },
    async save() {
      if (size === savedSize || lastLeaf === null) return;
      const saving = size;
      await writeSnapshot(pool, snapshotSeal, { size, lastLeaf, arrivals: [...arrivals.values()] });
      savedSize = saving;
    },
    async plausible(events, refuse, now) {
      if (!isWhole && !(await this.catchUp(STEP_ROWS))) return [...events];
      return events.filter((event) => {
        const numbered = numberedOf(event, columnsOf(event));
        const code = numbered && implausible(arrivals, numbered, now);
        if (code) refuse(event, code);
        return !code;
      });
    },
  };
}
