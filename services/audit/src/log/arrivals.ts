import type { Arrived, Numbered } from "./sequence.store.ts";

/** What arrived of one producer in one epoch. */
export interface Arrival {
  readonly producer: string;
  readonly epoch: number;
  /** Ranges [from, to), lowest first, apart from each other. */
  readonly received: { from: number; to: number }[];
  /** Numbers that two events had. */
  duplicates: number;
  /** Milliseconds since 1970. */
  lastEventAt: number;
  heartbeatSeq: number | null;
  heartbeatAt: number | null;
}

/** What arrived of each producer and epoch, as the entries themselves say it. */
export type Arrivals = Map<string, Arrival>;

/** How far ahead of what arrived a number may be: so many messages may be lost at once. */
const PLAUSIBLE_AHEAD = 1_000_000;
/** Ranges of one producer's epoch, and epochs of one service: more are not believed. */
const MAX_RANGES = 10_000;
const MAX_EPOCHS = 1_000;
/** An epoch is the second in which a database was made; clocks differ. */
const EPOCH_AHEAD_SECONDS = 86_400;

const keyOf = ({ producer, epoch }: Pick<Numbered, "producer" | "epoch">) => `${producer} in epoch ${epoch}`;

/** Takes in one entry. Its number is mostly the next one, and then costs nothing. */
export function addArrival(arrivals: Arrivals, numbered: Numbered): void {
  const key = keyOf(numbered);
  const { producer, epoch, occurredAt, heartbeatSeq } = numbered;
  const arrival = arrivals.get(key) ?? {
    ...{ producer, epoch, received: [], duplicates: 0, lastEventAt: occurredAt },
    ...{ heartbeatSeq: null, heartbeatAt: null },
  };
  arrivals.set(key, arrival);
  if (!addNumber(arrival.received, numbered.seq)) arrival.duplicates += 1;
  arrival.lastEventAt = Math.max(arrival.lastEventAt, occurredAt);
  if (heartbeatSeq === null) return;
  arrival.heartbeatSeq = Math.max(arrival.heartbeatSeq ?? 0, heartbeatSeq);
  arrival.heartbeatAt = Math.max(arrival.heartbeatAt ?? occurredAt, occurredAt);
}

/** False where the number was there already. */
function addNumber(ranges: Arrival["received"], seq: number): boolean {
  // Late numbers belong near the end: it is looked for from there.
  const at = ranges.findLastIndex(({ from }) => from <= seq);
  const [before, after] = [ranges[at], ranges[at + 1]];
  if (before && seq < before.to) return false;
  const joinsBefore = before?.to === seq;
  const joinsAfter = after?.from === seq + 1;
  if (before && joinsBefore) {
    before.to = seq + 1;
    if (after && joinsAfter) {
      before.to = after.to;
      ranges.splice(at + 1, 1);
    }
  } else if (after && joinsAfter) after.from = seq;
  else ranges.splice(at + 1, 0, { from: seq, to: seq + 1 });
  return true;
}

/** The highest number that arrived; 0: none. */
export const lastOf = ({ received }: Pick<Arrival, "received">): number => (received.at(-1)?.to ?? 1) - 1;

/** How many numbers up to the highest one that is known have not arrived. */
export function missingOf(arrival: Arrival): number {
  const arrived = arrival.received.reduce((sum, { from, to }) => sum + to - from, 0);
  return Math.max(lastOf(arrival), arrival.heartbeatSeq ?? 0) - arrived;
}

/**
 * Why a number is not believed, as the code under which its event is parked; null where it may be.
 * One event would else make a gap of 2^53 numbers, in which a true one is not seen.
 */
export function implausible(arrivals: Arrivals, numbered: Numbered, now: Date): string | null {
  const { producer, epoch, seq, heartbeatSeq } = numbered;
  const known = arrivals.get(keyOf(numbered));
  const last = known ? Math.max(lastOf(known), known.heartbeatSeq ?? 0) : 0;
  if (Math.max(seq, heartbeatSeq ?? 0) > last + PLAUSIBLE_AHEAD) return "number_far_ahead";
  if (epoch > now.getTime() / 1000 + EPOCH_AHEAD_SECONDS) return "epoch_in_future";
  if (known) return known.received.length >= MAX_RANGES && !joins(known, seq) ? "too_many_gaps" : null;
  const service = producer.split("/")[0];
  const epochs = [...arrivals.values()].filter((each) => each.producer.split("/")[0] === service).length;
  return epochs >= MAX_EPOCHS ? "too_many_epochs" : null;
}

/** Whether it makes no gap more. */
const joins = ({ received }: Arrival, seq: number) =>
  received.some(({ from, to }) => from - 1 <= seq && seq <= to);

/** Of whom the table of what arrived says something else than the log; null: of nobody. */
export function wrongArrival(
  arrivals: ReadonlyMap<string, Arrival>,
  table: readonly Arrived[],
): string | null {
  const kept = new Map(
    table.map((arrived) => [keyOf(arrived), textOf(arrived.received, arrived.heartbeatSeq)]),
  );
  const derived = new Map(
    [...arrivals].map(([key, { received, heartbeatSeq }]) => [
      key,
      textOf(`{${received.map(({ from, to }) => `[${from},${to})`).join(",")}}`, heartbeatSeq),
    ]),
  );
  return [...kept.keys(), ...derived.keys()].find((key) => kept.get(key) !== derived.get(key)) ?? null;
}

const textOf = (received: string, heartbeatSeq: number | null) => `${received} ${heartbeatSeq}`;

/** Arrivals to add to, begun by these. */
export const arrivalsOf = (known: readonly Arrival[]): Arrivals =>
  new Map(known.map((arrival) => [keyOf(arrival), structuredClone(arrival)]));
