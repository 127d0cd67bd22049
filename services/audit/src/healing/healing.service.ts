import { randomUUID } from "node:crypto";
import { emit } from "@medvault/messaging";
import { inTransaction, type Tx } from "@medvault/postgres";
import type { LogContext } from "../context.ts";
import type { ArrivalCount } from "../log/arrival-count.service.ts";
import { wrongArrival } from "../log/arrivals.ts";
import { recordCheckpoint } from "../log/checkpoint.store.ts";
import { lockWriter, releaseLease, renewLease, takeLease } from "../log/lease.store.ts";
import type { LogRow } from "../log/log.store.ts";
import { readRetirement } from "../log/retirement.service.ts";
import { refillSequences, sizeAndArrived } from "../log/sequence.store.ts";
import { EMPTY_ROOT } from "../tree/hash.ts";
import type { Trust } from "./entry-repair.ts";
import { HealingRefused } from "./healing.errors.ts";
import { logHealed } from "./healing.events.ts";
import * as store from "./healing.store.ts";
import { type Honest, honestCheckpoint } from "./honest-checkpoint.service.ts";
import { type Stretch, type Walk, walkSigned } from "./signed-part.service.ts";
import { countsOf, isToDo, type Tally, tally } from "./tally.ts";
import { type UnsignedPart, unsignedPart } from "./unsigned-part.service.ts";

/** Opened as the role that owns the schemas: the service's own may change no row of the log. */
export type HealedLog = Pick<LogContext, "pool" | "outside" | "seal" | "signer" | "now"> & {
  readonly countArrivals: () => ArrivalCount;
};

export interface Plan {
  /** What the last honest checkpoint covers, and where the log ends afterwards. */
  readonly signed: number;
  readonly size: number;
  readonly found: Tally;
  readonly isToDo: boolean;
  readonly honest: Honest;
  readonly walk: Walk;
  readonly unsigned: UnsignedPart;
}

/**
 * What is wrong with the log, and what a healing would do about it. Changes nothing.
 * @throws HealingRefused
 */
export async function planHealing(log: HealedLog): Promise<Plan> {
  const honest = await honestCheckpoint(log);
  const signed = honest.checkpoint?.size ?? 0;
  const { size: first } = await readRetirement(log);
  const { walk, found } = await provedWalk(log, honest, { size: signed, first });
  if (honest.isOutsideWrong) tally(found, "checkpoint", signed);
  if (honest.isVkeyWrong) tally(found, "vkey", 0);
  for (const size of honest.forged.toReversed()) tally(found, "forged", size);
  const unsigned = await unsignedPart(log, signed);
  for (const idx of unsigned.foreign) tally(found, "foreign", idx);
  for (const idx of unsigned.edited) tally(found, "edited", idx);
  for (const idx of unsigned.moved) tally(found, "moved", idx);
  for (const idx of unsigned.restored) tally(found, "restored", idx);
  // What arrived is counted from the entries: before they are whole that says nothing.
  if (!isToDo(found) && (await hasWrongNumbers(log))) tally(found, "numbers", 0);
  const isSizeWrong = (await sizeOf(log)) !== unsigned.size;
  return { signed, size: unsigned.size, found, isToDo: isToDo(found) || isSizeWrong, honest, walk, unsigned };
}

async function hasWrongNumbers({ pool, countArrivals }: HealedLog): Promise<boolean> {
  const count = countArrivals();
  await count.catchUp(Number.MAX_SAFE_INTEGER);
  const { arrived } = await sizeAndArrived(pool);
  return wrongArrival(count.arrivals, arrived) !== null;
}

async function sizeOf({ pool }: HealedLog): Promise<number> {
  const { rows } = await pool.query<{ size: number }>("select size from writer");
  return rows[0]?.size ?? 0;
}

/** Nothing of the entries and tiles is believed before they give what was signed. */
async function provedWalk(
  log: HealedLog,
  { checkpoint }: Honest,
  part: { size: number; first: number },
): Promise<{ walk: Walk; found: Tally }> {
  for (const trust of ["bodies", "tiles"] satisfies Trust[]) {
    const found: Tally = new Map();
    const walk = { ...part, trust };
    const root = await walkSigned(log, walk, (stretch) => tallyStretch(found, stretch));
    if (root?.equals(checkpoint?.root ?? EMPTY_ROOT)) return { walk, found };
  }
  throw new HealingRefused(
    `what is left of the entries and tiles does not give the root that was signed over ${part.size} entries. Nothing was changed. Put the files of the store outside back from a backup, beside those that are there, and run this again`,
  );
}

function tallyStretch(found: Tally, { index, places, bundle, tiles }: Stretch): void {
  for (const { idx, row } of places) if (row !== "good") tally(found, row, idx);
  if (bundle) tally(found, "bundles", index);
  for (const tile of tiles) tally(found, "tiles", tile.index);
}

interface Act {
  readonly epoch: number;
  readonly healing: string;
}

const LEASE_MS = 10_000;

/**
 * Brings the log back to its last honest checkpoint, with what was appended honestly behind it.
 * What it takes out or replaces goes into quarantine. Ended in the middle, it goes on where it was
 * when it is called again. Gives what is still wrong. @throws HealingRefused
 */
export async function heal(log: HealedLog, by: string, say: (stretch: number) => void): Promise<Plan> {
  const owner = randomUUID();
  const lease = await takeLease(log.pool, { owner, isReady: true }, LEASE_MS);
  if (lease === null) {
    throw new HealingRefused(
      "an audit service writes, or a healing that was ended a moment ago: stop all audit services (their gateway may go on), wait 10 s, run this again",
    );
  }
  const { epoch } = lease;
  const beat = setInterval(() => {
    renewLease(log.pool, epoch, LEASE_MS).catch(() => {}); // the fence holds where it was lost
  }, LEASE_MS / 3);
  try {
    await log.outside.takeOver(epoch);
    const plan = await planHealing(log);
    const act = { epoch, healing: await store.beginHealing(log.pool, randomUUID()) };
    // Ids are in the log once: what is wrong goes before anything is put in.
    await takeOutEdited(log, act, plan, say);
    await healUnsigned(log, act, plan);
    await putInMissing(log, act, plan, say);
    await healHistory(log, act, plan);
    await endHealing(log, act, plan, by);
    return await planHealing(log);
  } finally {
    clearInterval(beat);
    await releaseLease(log.pool, epoch).catch(() => {}); // else it runs out
  }
}

/** A step of a healing: what it does and that it did it, in one transaction, under the fence. */
function step<T>(log: HealedLog, { epoch }: Act, work: (tx: Tx) => Promise<T>): Promise<T> {
  return inTransaction(log.pool, async (tx) => {
    await lockWriter(tx, epoch);
    return await work(tx);
  });
}

/** First puts all that proves the entries outside, from where `putInMissing` takes them. */
async function takeOutEdited(
  log: HealedLog,
  act: Act,
  { walk }: Plan,
  say: (at: number) => void,
): Promise<void> {
  await walkSigned(log, walk, async (stretch) => {
    say(stretch.index);
    const found: Tally = new Map();
    tallyStretch(found, stretch);
    if (!isToDo(found)) return;
    if (stretch.bundle) {
      await log.outside.setAside(act.healing, { bundle: stretch.index });
      await log.outside.replaceBodies(act.epoch, stretch.index, stretch.bundle);
    }
    for (const tile of stretch.tiles) {
      await log.outside.setAside(act.healing, { tile });
      await log.outside.writeTile(act.epoch, tile);
    }
    const edited = stretch.places.filter(({ row }) => row === "edited").map(({ idx }) => idx);
    await step(log, act, async (tx) => {
      const days = await store.daysOf(tx, edited);
      await store.quarantineRows(tx, act.healing, "edited", edited);
      await store.recount(tx, days);
      const { bodiless: _, gone: __, ...done } = countsOf(found);
      await store.noteDone(tx, act.healing, done);
    });
  });
}

async function putInMissing(
  log: HealedLog,
  act: Act,
  { walk }: Plan,
  say: (at: number) => void,
): Promise<void> {
  await walkSigned(log, walk, async ({ index, places }) => {
    say(index);
    const missing = places.flatMap(({ row, right }) => (row === "missing" && right ? [right] : []));
    if (missing.length === 0) return;
    await step(log, act, (tx) => putIn(tx, missing));
  });
}

async function putIn(tx: Tx, rows: readonly LogRow[]): Promise<void> {
  for (const row of rows) await store.insertRow(tx, row);
  await store.recount(
    tx,
    await store.daysOf(
      tx,
      rows.map(({ idx }) => idx),
    ),
  );
}

async function healHistory(log: HealedLog, act: Act, { honest }: Plan): Promise<void> {
  const { checkpoint, forged, isOutsideWrong, isVkeyWrong } = honest;
  await step(log, act, async (tx) => {
    for (const size of forged) await store.quarantineCheckpoint(tx, act.healing, size);
    if (checkpoint) await recordCheckpoint(tx, checkpoint, log.now());
    await store.noteDone(tx, act.healing, {
      ...(forged.length > 0 && { forged: forged.length }),
      ...(isOutsideWrong && { checkpoint: 1 }),
      ...(isVkeyWrong && { vkey: 1 }),
    });
  });
  if (checkpoint && isOutsideWrong) {
    await log.outside.setAside(act.healing, { file: "checkpoint" });
    await log.outside.writeCheckpoint(act.epoch, checkpoint.note);
  }
  if (isVkeyWrong) {
    await log.outside.setAside(act.healing, { file: "audit.vkey" });
    await log.outside.writeVkey(log.signer.vkey);
  }
}

async function healUnsigned(log: HealedLog, act: Act, { unsigned }: Plan): Promise<void> {
  const { foreign, edited, moved, restored, rows, size } = unsigned;
  await step(log, act, async (tx) => {
    const days = await store.daysOf(tx, [...foreign, ...edited, ...moved]);
    await store.quarantineRows(tx, act.healing, "foreign", foreign);
    await store.quarantineRows(tx, act.healing, "edited", edited);
    await store.quarantineRows(tx, act.healing, "moved", moved);
    await store.recount(tx, days);
    await putIn(tx, rows);
    await store.setSize(tx, size);
    await store.noteDone(tx, act.healing, {
      ...{ foreign: foreign.length, edited: edited.length },
      ...{ moved: moved.length, restored: restored.length },
    });
  });
}

async function endHealing(log: HealedLog, act: Act, { signed, size }: Plan, by: string): Promise<void> {
  const count = log.countArrivals();
  await count.catchUp(Number.MAX_SAFE_INTEGER);
  await step(log, act, async (tx) => {
    const { arrived } = await sizeAndArrived(tx);
    const isWrong = wrongArrival(count.arrivals, arrived) !== null;
    if (isWrong) {
      await store.quarantineNumbers(tx, act.healing);
      await refillSequences(tx, [...count.arrivals.values()]);
    }
    const done = await store.noteDone(tx, act.healing, isWrong ? { numbers: 1 } : {});
    await emit(tx, "audit", logHealed(act.healing, by, signed, size, done));
    await store.endHealing(tx, act.healing);
  });
}
