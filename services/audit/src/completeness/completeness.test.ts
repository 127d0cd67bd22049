import { expect, test } from "vitest";
import { completenessOf } from "./completeness.ts";

const sequence = (received: { from: number; to: number }[], heartbeatSeq: number | null = null) => ({
  producer: "records",
  epoch: 1,
  received,
  duplicates: 0,
  lastEventAt: 0,
  heartbeatSeq,
  heartbeatAt: heartbeatSeq === null ? null : 0,
});

test("numbers that all came leave no gap", () => {
  expect(completenessOf(sequence([{ from: 1, to: 11 }], 9), 10)).toMatchObject({
    lastSequence: 10,
    received: 10,
    gaps: [],
    heartbeat: { lastSequence: 9 },
  });
});

test("what is missing at the beginning, in between, and up to the heartbeat's number is named", () => {
  const ranges = [
    { from: 3, to: 5 },
    { from: 8, to: 9 },
  ];
  expect(completenessOf(sequence(ranges, 12), 10)).toMatchObject({
    lastSequence: 8,
    received: 3,
    gaps: [
      { from: 1, to: 2 },
      { from: 5, to: 7 },
      { from: 9, to: 12 },
    ],
    gapsTruncated: false,
  });
});

test("gaps beyond the limit are cut and it is said", () => {
  const ranges = Array.from({ length: 5 }, (_, at) => ({ from: 2 * at + 2, to: 2 * at + 3 }));
  expect(completenessOf(sequence(ranges), 3)).toMatchObject({ gapsTruncated: true, gaps: { length: 3 } });
});
