import { drainedEvents } from "@medvault/testing";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { event, events, type GivenLog, givenLog } from "../../test/log-harness.ts";
import { openFindings, readWalk } from "./finding.store.ts";
import { isOf, walkTiles } from "./finding.ts";
import { createScrubber, type Scrubber } from "./scrubber.service.ts";

let log: GivenLog;
beforeAll(async () => {
  log = await givenLog();
});
afterEach(() => log.reset());
afterAll(() => log.end());

const signal = new AbortController().signal;
const created = (now = () => new Date()) => createScrubber({ ...log.context, now }, 2_000);
const found = async () => (await openFindings(log.pool)).map(({ fault, index }) => [fault, index]);
const damage = (sql: string) => log.superuser.query(sql);
const rounds = async (scrubber: Scrubber, count: number) => {
  for (let n = 0; n < count; n += 1) await scrubber.round(signal);
};

test("while entries are appended and signed, writers take turns and two processes look, nothing is found", async () => {
  const [one, other] = [created(), created()];
  let [next, isOver] = [1, false];
  const append = async () => {
    while (!isOver) {
      const writer = await log.writing();
      for (let batch = 0; batch < 12; batch += 1) {
        await log.append(writer, [...events(37, next), event(next)]);
        next += 37;
      }
      await writer.stop();
    }
  };
  const appending = append();
  for (let n = 0; n < 8; n += 1) await Promise.all([one.round(signal), other.round(signal)]);
  isOver = true;
  await appending;
  expect(next).toBeGreaterThan(400);
  await rounds(created(), 2); // another start
  expect(await found()).toEqual([]);
  expect((await drainedEvents(log.pool)).map(({ type }) => type)).toEqual([]);
});

test("an empty log, and one that nothing was signed of yet, are right", async () => {
  await rounds(created(), 2);
  const writer = await log.writing({ checkpointMs: 5_000 });
  await log.append(writer, events(3));
  await rounds(created(), 2);
  expect(await found()).toEqual([]);
});

test("the walk goes on where another process left it, and begins again behind the end", async () => {
  const writer = await log.writing();
  await log.append(writer, events(1_000));
  await log.append(writer, events(600, 1_001));
  await log.published(1_600);
  const scrubber = created();
  await scrubber.round(signal);
  expect(await readWalk(log.pool)).toEqual({ position: 1, walkedAt: null });
  await rounds(created(), 6);
  const { position, walkedAt } = await readWalk(log.pool);
  expect([position, walkedAt]).toEqual([0, expect.any(Date)]);
});

test("a finding is told once by all processes, shown until all is well and ten minutes have passed, and told again when it comes again", async () => {
  const writer = await log.writing();
  await log.append(writer, events(300));
  await log.published(300);
  let now = new Date();
  const [one, other] = [created(() => now), created(() => now)];
  await rounds(one, 1);
  await damage("update log set actor_id = 'nobody' where idx = 7");
  await Promise.all([rounds(one, 2), rounds(other, 2)]);
  expect(await found()).toEqual([["column_changed", 7]]);
  const told = async () => (await drainedEvents(log.pool)).map(({ data }) => data.decision.reason);
  expect(await told()).toEqual(["column_changed"]);
  const { rows } = await log.superuser.query("select sealed, id from log where idx = 7");
  const body = log.seal.open(7, rows[0].id, rows[0].sealed);
  const actor = JSON.parse((body ?? Buffer.alloc(0)).subarray(32).toString()).data.actor.id;
  await log.superuser.query("update log set actor_id = $1 where idx = 7", [actor]);
  await rounds(one, 1);
  expect(await found()).toEqual([["column_changed", 7]]);
  now = new Date(now.getTime() + 601_000);
  await rounds(one, 2);
  expect([await found(), await told()]).toEqual([[], []]);
  await damage("update log set actor_id = 'nobody' where idx = 7");
  await rounds(one, 1);
  expect(await told()).toEqual(["column_changed"]);
});

test("an emptied table of numbers is told, and filled again from the entries", async () => {
  const writer = await log.writing();
  await log.append(writer, [...events(5), ...events(4, 8)]);
  const kept = async () => (await log.superuser.query("select * from sequences")).rows;
  const before = await kept();
  await damage("delete from sequences");
  await rounds(created(), 1);
  expect(await found()).toEqual([["sequences_changed", null]]);
  expect(await kept()).toEqual(before);
});

test("the walk reads a day's entries in an hour, and no more than it may", () => {
  expect(walkTiles(0, 2_000, 4_000)).toBe(1);
  expect(walkTiles(2_000_000, 2_000, 4_000)).toBe(Math.ceil(2_000_000 / 1_800 / 256));
  expect(walkTiles(1e9, 2_000, 4_000)).toBe(16);
});

test("a check ends the findings of its own part alone", () => {
  const parts = [
    isOf({ tile: 2 }, { fault: "leaf_changed", index: 600 }, 800),
    isOf({ tile: 1 }, { fault: "leaf_changed", index: 600 }, 800),
    isOf("standing", { fault: "leaf_changed", index: 600 }, 800),
    isOf("standing", { fault: "entry_inserted", index: 5_000 }, 800),
    isOf("sequences", { fault: "log_truncated", index: 3 }, 800),
    isOf("sequences", { fault: "sequences_changed", index: null }, 800),
  ];
  expect(parts).toEqual([true, false, false, true, false, true]);
});
