import type { Arrived, Numbered } from "../log/sequence.store.ts";

interface Arrival {
  /** Ranges [from, to), lowest first, apart from each other. */
  readonly ranges: { from: number; to: number }[];
  heartbeatSeq: number | null;
}

/** What arrived of each producer and epoch, as the entries themselves say it. */
export type Arrivals = Map<string, Arrival>;

const keyOf = ({ producer, epoch }: Pick<Numbered, "producer" | "epoch">) => `${producer} in epoch ${epoch}`;

/** Takes in one entry. Its number is mostly the next one, and then costs nothing. */
export function addArrival(arrivals: Arrivals, numbered: Numbered): void {
  const key = keyOf(numbered);
  const arrival = arrivals.get(key) ?? { ranges: [], heartbeatSeq: null };
  arrivals.set(key, arrival);
  addNumber(arrival.ranges, numbered.seq);
  const { heartbeatSeq } = numbered;
  if (heartbeatSeq !== null) arrival.heartbeatSeq = Math.max(arrival.heartbeatSeq ?? 0, heartbeatSeq);
}

function addNumber(ranges: Arrival["ranges"], seq: number): void {
  // Late numbers belong near the end: it is looked for from there.
  const at = ranges.findLastIndex(({ from }) => from <= seq);
  const [before, after] = [ranges[at], ranges[at + 1]];
  if (before && seq < before.to) return;
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
}

/** Of whom the table of what arrived says something else than the log; null: of nobody. */
export function wrongArrival(arrivals: Arrivals, table: readonly Arrived[]): string | null {
  const kept = new Map(
    table.map((arrived) => [keyOf(arrived), textOf(arrived.received, arrived.heartbeatSeq)]),
  );
  const derived = new Map(
    [...arrivals].map(([key, { ranges, heartbeatSeq }]) => [
      key,
      textOf(`{${ranges.map(({ from, to }) => `[${from},${to})`).join(",")}}`, heartbeatSeq),
    ]),
  );
  return [...kept.keys(), ...derived.keys()].find((key) => kept.get(key) !== derived.get(key)) ?? null;
}

const textOf = (received: string, heartbeatSeq: number | null) => `${received} ${heartbeatSeq}`;
