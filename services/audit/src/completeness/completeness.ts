import type { AuditCompleteness } from "@medvault/contracts";
import type { Sequence } from "../log/sequence.store.ts";

/**
 * What is missing of one producer's epoch: the numbers before, between and after those that
 * arrived, up to the number in the producer's heartbeat. Numbers begin at 1. At most `maxGaps` gaps
 * are named.
 */
export function completenessOf(sequence: Sequence, maxGaps: number): AuditCompleteness {
  const gaps: { from: number; to: number }[] = [];
  let next = 1;
  for (const range of sequence.received) {
    if (range.from > next) gaps.push({ from: next, to: range.from - 1 });
    next = range.to;
  }
  const announced = sequence.heartbeatSeq ?? 0;
  if (announced > sequence.lastSeq) gaps.push({ from: sequence.lastSeq + 1, to: announced });
  return {
    producer: sequence.producer,
    epoch: sequence.epoch,
    lastSequence: sequence.lastSeq,
    received: sequence.count,
    gaps: gaps.slice(0, maxGaps),
    gapsTruncated: gaps.length > maxGaps,
    duplicates: sequence.duplicates,
    heartbeat:
      sequence.heartbeatSeq === null || sequence.heartbeatAt === null
        ? null
        : { lastSequence: sequence.heartbeatSeq, time: sequence.heartbeatAt.toISOString() },
    lastEventAt: sequence.lastEventAt.toISOString(),
  };
}
