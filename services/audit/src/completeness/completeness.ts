import type { AuditCompleteness } from "@medvault/contracts";
import { type Arrival, lastOf } from "../log/arrivals.ts";

/**
 * What is missing of one producer's epoch: the numbers before, between and after those that
 * arrived, up to the number in the producer's heartbeat. Numbers begin at 1. At most `maxGaps` gaps
 * are named.
 */
export function completenessOf(arrival: Arrival, maxGaps: number): AuditCompleteness {
  const gaps: { from: number; to: number }[] = [];
  let next = 1;
  let received = 0;
  for (const range of arrival.received) {
    if (range.from > next && gaps.length <= maxGaps) gaps.push({ from: next, to: range.from - 1 });
    next = range.to;
    received += range.to - range.from;
  }
  const { producer, epoch, duplicates, heartbeatSeq, heartbeatAt } = arrival;
  const last = lastOf(arrival);
  if ((heartbeatSeq ?? 0) > last) gaps.push({ from: last + 1, to: heartbeatSeq ?? 0 });
  return {
    producer,
    epoch,
    lastSequence: last,
    received,
    gaps: gaps.slice(0, maxGaps),
    gapsTruncated: gaps.length > maxGaps,
    duplicates,
    heartbeat:
      heartbeatSeq === null || heartbeatAt === null
        ? null
        : { lastSequence: heartbeatSeq, time: new Date(heartbeatAt).toISOString() },
    lastEventAt: new Date(arrival.lastEventAt).toISOString(),
  };
}
