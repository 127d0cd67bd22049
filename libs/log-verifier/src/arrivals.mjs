// Which numbers of which producer arrived, as the entries themselves say it, and which are missing.

/** @typedef {{ ranges: [number, number][], heartbeat: number }} Arrival */
/** @typedef {Record<string, Arrival>} Arrivals */
/** @typedef {{ producer: string, epoch: number, from: number, to: number }} Gap */

/** Ranges of one producer and epoch; a log with more is a log of gaps. */
const MAX_RANGES = 100_000;

/**
 * Takes in one number of a producer; ranges are [from, to), lowest first.
 * @param {Arrivals} arrivals
 * @param {{ producer: string, epoch: number, seq: number, heartbeat: number | null }} entry
 */
export function addArrival(arrivals, { producer, epoch, seq, heartbeat }) {
  const key = `${producer} ${epoch}`;
  const arrival = Object.hasOwn(arrivals, key) ? arrivals[key] : undefined;
  const known = arrival ?? { ranges: [], heartbeat: 0 };
  arrivals[key] = known;
  known.heartbeat = Math.max(known.heartbeat, heartbeat ?? 0);
  let at = known.ranges.length;
  while (at > 0 && (known.ranges[at - 1]?.[0] ?? 0) > seq) at -= 1;
  const [before, after] = [known.ranges[at - 1], known.ranges[at]];
  if (before && seq < before[1]) return;
  if (before && before[1] === seq) {
    before[1] = seq + 1;
    if (after && after[0] === seq + 1) {
      before[1] = after[1];
      known.ranges.splice(at, 1);
    }
  } else if (after && after[0] === seq + 1) after[0] = seq;
  else if (known.ranges.length < MAX_RANGES) known.ranges.splice(at, 0, [seq, seq + 1]);
}

/**
 * What is missing before, between and after what arrived, up to the number in a producer's
 * heartbeat.
 * @param {Arrivals} arrivals
 * @returns {Gap[]}
 */
export function gapsOf(arrivals) {
  return Object.entries(arrivals).flatMap(([key, { ranges, heartbeat }]) => {
    const [producer = "", epoch] = key.split(" ");
    const about = { producer, epoch: Number(epoch) };
    let next = 1;
    const gaps = [];
    for (const [from, to] of ranges) {
      if (from > next) gaps.push({ ...about, from: next, to: from - 1 });
      next = Math.max(next, to);
    }
    if (heartbeat >= next) gaps.push({ ...about, from: next, to: heartbeat });
    return gaps;
  });
}
