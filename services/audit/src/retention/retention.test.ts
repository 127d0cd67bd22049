import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { drainedEvents } from "@medvault/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { crashing, event, eventually, type GivenLog, givenLog } from "../../test/log-harness.ts";
import { givenPartitions } from "../../test/partitions.ts";
import { createArrivalCount } from "../log/arrival-count.service.ts";
import { rowsFrom } from "../log/log.store.ts";
import type { OutsideStore } from "../outside/outside.store.ts";
import { tilesAt } from "../outside/outside.store.ts";
import { openCheckpoint } from "../tree/checkpoint.ts";
import { leafHash } from "../tree/hash.ts";
import { inclusionProof } from "../tree/proof.ts";
import { rootFromInclusion } from "../tree/proof-check.ts";
import { missingPartitions } from "./missing-partition.service.ts";
import { retire } from "./retention.service.ts";

/** Partitions of 256: two whole ones and one that is begun. */
const SIZE = 600;
const RETIRED = 512;
const { signal } = new AbortController();

let log: GivenLog;
beforeAll(async () => {
  log = await givenLog();
});
afterAll(() => log.end());
beforeEach(async () => {
  await log.reset();
  await givenPartitions(log.superuser, 256, 4);
  const writer = await log.writing();
  const old = (at: number) => new Date(Date.UTC(2012, 0, 1) + at * 60_000).toISOString();
  const some = Array.from({ length: SIZE }, (_, at) => event(at + 1, { time: old(at) }));
  await log.append(writer, some);
  await log.published(SIZE);
  await writer.stop();
  await damage("update checkpoints set signed_at = '2013-01-01'");
});

const damage = (sql: string, values: unknown[] = []) => log.superuser.query(sql, values);
const at = (...parts: string[]) => join(log.dir, ...parts);

const retiring = (given: { isHeld?: boolean; outside?: OutsideStore } = {}) =>
  retire(
    {
      ...{ pool: log.pool, seal: log.seal, signer: log.signer, now: () => new Date() },
      outside: given.outside ?? log.outside,
      retention: { years: 7, isHeld: given.isHeld ?? false },
    },
    signal,
  );
const counted = () => createArrivalCount(log.pool, log.seal, log.snapshotSeal, log);
const retiredEvents = async () =>
  (await drainedEvents(log.pool)).filter(({ type }) => type === "medvault.audit.log.retired.v1");
const refusalAtStart = () => log.refusalOf(log.writer());

test("what is seven years old is dropped with its bodies outside, under an event of its range; the writer, verification and proofs go on", async () => {
  const [old] = await rowsFrom(log.pool, 300, 301, 1);
  await damage("delete from arrivals"); // what is kept of an earlier count
  const before = counted();
  await before.catchUp(SIZE);
  const numbers = structuredClone([...before.arrivals.values()][0]);
  expect(await retiring()).toBe(RETIRED);
  const { rows } = await damage("select min(idx)::int as first, count(*)::int as count from log");
  expect(rows).toEqual([{ first: RETIRED, count: SIZE - RETIRED }]);
  expect((await retiredEvents()).map(({ data }) => data.details)).toEqual([
    { from: 0, to: 256, count: 256 },
    { from: 256, to: 512, count: 256 },
  ]);
  expect((await readdir(at("bodies"))).sort()).toEqual(["002"]);
  expect(await missingPartitions(log)).toEqual([]);
  expect(await log.verify()).toEqual({ size: SIZE, checkpointSize: SIZE, ok: true });

  const writer = await log.writing({ maxStartLeaves: 100_000 });
  await log.append(writer, [event(SIZE + 1)]);
  const note = await log.published(SIZE + 1);
  expect(await log.verify()).toEqual({ size: SIZE + 1, checkpointSize: SIZE + 1, ok: true });
  const after = counted();
  await after.catchUp(SIZE);
  expect(numbers).toMatchObject({ received: [{ from: 1, to: SIZE + 1 }], duplicates: 0 });
  expect([...after.arrivals.values()]).toEqual([
    { ...numbers, received: [{ from: 1, to: SIZE + 2 }], lastEventAt: expect.any(Number) },
  ]);

  // Who kept the entry can show that it was in the log: its leaf and its way to the root stay.
  const checkpoint = openCheckpoint(note, log.signer.key, log.signer.origin);
  const leaf = (await log.outside.readLeaves(1))[44] ?? Buffer.alloc(0);
  expect(leaf).toEqual(old?.leaf);
  const hashes = await inclusionProof(tilesAt(log.outside, SIZE + 1), 300, SIZE + 1);
  expect(rootFromInclusion(leafHash(leaf), 300, SIZE + 1, hashes)).toEqual(checkpoint?.root);
  expect(await retiring()).toBe(0);
});

test("an event that was retired is not logged a second time when it comes again", async () => {
  const { rows } = await damage("select id from log where idx = 3");
  await retiring();
  const writer = await log.writing();
  await log.append(writer, [event(9_000, { id: rows[0].id })]);
  expect((await damage("select max(idx)::int as last from log")).rows).toEqual([{ last: SIZE - 1 }]);
});

test.each([
  ["under a legal hold", async () => {}, true],
  [
    "with one young entry among them",
    () => damage("update log set occurred_at = now() where idx = 7"),
    false,
  ],
  ["without a checkpoint of that age", () => damage("update checkpoints set signed_at = now()"), false],
  ["without entries behind them", () => damage("delete from log where idx >= 256"), false],
])("nothing is dropped %s", async (_, given, isHeld) => {
  await given();
  const count = async () => (await damage("select count(*)::int as n from log")).rows[0].n;
  const before = await count();
  expect(await retiring({ isHeld })).toBe(0);
  expect(await count()).toBe(before);
  expect(await retiredEvents()).toEqual([]);
});

test.each([
  ["young entries", "update log set occurred_at = now() - interval '5 years' where idx = 200", 256],
  ["what was signed lately", "update checkpoints set signed_at = now() - interval '5 years'", 256],
  ["what no checkpoint covers", "update checkpoints set size = 200", 256],
  ["half a partition", "select 1", 200],
  ["the whole log", "delete from log where idx >= 512", 512],
])("threat: the service's role alone drops %s", async (_, given, upTo) => {
  await damage(given);
  await expect(log.pool.query("select retire_log($1)", [upTo])).rejects.toMatchObject({ code: "22023" });
  await expect(log.pool.query("drop table log_0")).rejects.toMatchObject({ code: "42501" });
});

test("what is damaged is not retired: it stays, as evidence", async () => {
  await damage("update log set sealed = set_byte(sealed, 90, get_byte(sealed, 90) # 1) where idx = 254");
  await expect(retiring()).rejects.toThrow("does not open");
  await rm(at("bodies/000"));
  await expect(retiring()).rejects.toThrow("missing outside");
  expect((await damage("select min(idx)::int as first from log")).rows).toEqual([{ first: 0 }]);
  expect(await log.outside.readRetirement()).toBeNull();
});

test("threat: a body that is missing beside the retired ones is found, by verification and by the writer", async () => {
  await retiring();
  await damage("delete from log where idx = 540");
  expect(await log.verify()).toMatchObject({ ok: false, firstBadIndex: 540 });
  expect(await refusalAtStart()).toBe("log_truncated");
});

test("threat: a partition that is dropped by hand is no retired one", async () => {
  await damage("drop table log_0");
  expect(await log.verify()).toMatchObject({ ok: false, firstBadIndex: 0 });
  expect(await missingPartitions(log)).toEqual([{ from: 0, to: 256 }]);
  expect(await refusalAtStart()).toBe("log_truncated");
});

test("threat: a note of what was retired that was changed, or is away, covers nothing", async () => {
  expect(await retiring()).toBe(RETIRED);
  const note = await readFile(at("retired"), "utf8");
  await damage("update writer set lease_until = null");
  await writeFile(at("retired"), note.replace("\n512\n", "\n256\n"));
  expect(await log.verify()).toMatchObject({ ok: false, reason: expect.stringContaining("not signed") });
  expect(await refusalAtStart()).toBe("outside_store_damaged");
  await rm(at("retired"));
  expect(await log.verify()).toMatchObject({ ok: false });
});

test("leaves of retired entries that are changed or away are found", async () => {
  await retiring();
  const file = at("tile/entries/001");
  const good = await readFile(file);
  const bad = Buffer.from(good);
  bad.writeUInt8(bad.readUInt8(40) ^ 1, 40);
  await writeFile(file, bad);
  expect(await log.verify()).toMatchObject({ ok: false, firstBadIndex: 256 });
  await rm(file);
  expect(await log.verify()).toMatchObject({
    ok: false,
    reason: expect.stringContaining("leaves is missing"),
  });
});

test("a crash at any step leaves a whole log, and the next run goes on", async () => {
  const steps: (keyof OutsideStore)[] = ["writeLeaves", "writeRetirement", "removeBodies"];
  for (const step of steps) {
    await expect(retiring({ outside: crashing(log.outside, () => step) })).rejects.toThrow("crashed here");
    expect(await log.verify()).toEqual({ size: SIZE, checkpointSize: SIZE, ok: true });
  }
  // After the note and before the commit, so that what it names is still there.
  const outside: OutsideStore = {
    ...log.outside,
    async writeRetirement(note) {
      await log.outside.writeRetirement(note);
      throw new Error("crashed here");
    },
  };
  await expect(retiring({ outside })).rejects.toThrow("crashed here");
  expect(await log.verify()).toEqual({ size: SIZE, checkpointSize: SIZE, ok: true });
  const writer = log.writer();
  await eventually(() => expect(writer.state().phase).toBe("writing"));
  expect(await retiring()).toBe(256);
  expect(await log.verify()).toEqual({ size: SIZE, checkpointSize: SIZE, ok: true });
  expect((await readdir(at("bodies"))).sort()).toEqual(["002"]);
  expect(await retiredEvents()).toHaveLength(2);
});
