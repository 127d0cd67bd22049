import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { event, events, type GivenLog, givenLog } from "../../test/log-harness.ts";
import { createArrivalCount } from "../log/arrival-count.service.ts";
import { createSnapshotSeal } from "../log/arrival-snapshot.store.ts";
import { missingOf } from "../log/arrivals.ts";

let log: GivenLog;
beforeAll(async () => {
  log = await givenLog();
});
afterEach(() => log.reset());
afterAll(() => log.end());

const MANY = 1_000_000;
/** Another process, which has nothing in memory. */
const another = () => createArrivalCount(log.pool, log.seal, log.snapshotSeal, log);
const rangesOf = (count: ReturnType<typeof another>) =>
  [...count.arrivals.values()].map(({ received, heartbeatSeq }) => ({ received, heartbeatSeq }));
const GAP = [
  { from: 1, to: 7 },
  { from: 9, to: 13 },
];
const givenGap = async () => {
  const writer = await log.writing();
  await log.append(writer, [...events(6), ...events(4, 9)]);
  return writer;
};

test("what arrived is told from the entries, by the process that appended them and by any other", async () => {
  const writer = await givenGap();
  const heartbeat = event(13, {
    type: "medvault.records.producer.heartbeat.v1",
    data: { details: { epoch: 1, lastSeq: 20 } },
  });
  const { arrivals: own } = log.context;
  expect(own.size).toBe(10);
  await log.append(writer, [heartbeat, event(3)]);
  const expected = [{ received: [GAP[0], { from: 9, to: 14 }], heartbeatSeq: 20 }];
  expect(rangesOf(own)).toEqual(expected);
  const other = another();
  expect(await other.catchUp(MANY)).toBe(true);
  expect(rangesOf(other)).toEqual(expected);
  expect([...other.arrivals.values()].map(missingOf)).toEqual([2 + 7]);
  expect([...other.arrivals]).toEqual([...own.arrivals]);
  expect([...other.arrivals.values()][0]?.duplicates).toBe(1);
});

test.each([
  "update sequences set received = '{[1,13)}'",
  "delete from sequences",
  "update log set seq = 7 where seq = 1",
  "update log set producer = 'auth' where seq > 6",
])("neither the table nor a column hides a gap: %s", async (sql) => {
  await givenGap();
  await log.superuser.query(sql);
  const other = another();
  await other.catchUp(MANY);
  expect(rangesOf(other)).toEqual([{ received: GAP, heartbeatSeq: null }]);
});

test("an entry that was changed counts for nothing: its number is missing", async () => {
  await givenGap();
  await log.superuser.query(
    "update log set sealed = set_byte(sealed, 90, get_byte(sealed, 90) # 1) where seq = 3",
  );
  const other = another();
  await other.catchUp(MANY);
  expect(rangesOf(other)[0]?.received).toEqual([{ from: 1, to: 3 }, { from: 4, to: 7 }, GAP[1]]);
});

test("a start counts on from what was kept; one that was forged, moved, or is of another log is not believed", async () => {
  const writer = await givenGap();
  await log.context.arrivals.save();
  await log.append(writer, events(2, 13));
  const expected = [{ received: [GAP[0], { from: 9, to: 15 }], heartbeatSeq: null }];
  const read = async () => {
    const other = another();
    const isWhole = await other.catchUp(2);
    return isWhole ? rangesOf(other) : "counts from the first entry";
  };
  expect(await read()).toEqual(expected);
  const { rows } = await log.superuser.query("select size, sealed from arrivals");
  const forged = createSnapshotSeal(Buffer.alloc(32, 7)).seal({
    ...{ size: 10, lastLeaf: Buffer.alloc(32) },
    arrivals: [],
  });
  for (const [size, sealed] of [
    [12, rows[0].sealed],
    [10, forged],
    [99, rows[0].sealed],
  ]) {
    await log.superuser.query("update arrivals set size = $1, sealed = $2", [size, sealed]);
    const other = another();
    expect(await other.catchUp(MANY)).toBe(true);
    expect(rangesOf(other)).toEqual(expected);
  }
});

test("numbers far ahead are refused, those behind them are not; nor is what a loss of many messages leaves", async () => {
  const writer = await givenGap();
  const { arrivals } = log.context;
  const refused: [number | undefined, string][] = [];
  const plausible = async (some: readonly ReturnType<typeof event>[]) =>
    (
      await arrivals.plausible(some, ({ producerseq }, code) => refused.push([producerseq, code]), new Date())
    ).map(({ producerseq }) => producerseq);
  const lying = event(14, {
    type: "medvault.records.producer.heartbeat.v1",
    data: { details: { epoch: 1, lastSeq: Number.MAX_SAFE_INTEGER } },
  });
  const fromTheFuture = event(15, { producerepoch: 2 ** 40 });
  const given = [
    event(13, { producerseq: Number.MAX_SAFE_INTEGER }),
    lying,
    fromTheFuture,
    event(13),
    event(900_000),
  ];
  expect(await plausible(given)).toEqual([13, 900_000]);
  expect(refused).toEqual([
    [Number.MAX_SAFE_INTEGER, "number_far_ahead"],
    [14, "number_far_ahead"],
    [15, "epoch_in_future"],
  ]);
  await log.append(writer, [event(13), event(900_000)]);
  expect(await plausible([event(1_900_000), event(1_900_001)])).toEqual([1_900_000]);
});
