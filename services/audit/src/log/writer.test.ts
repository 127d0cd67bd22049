import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { crashing, events, eventually, type GivenLog, givenLog } from "../../test/log-harness.ts";
import { plainRoot } from "../../test/plain-tree.ts";
import type { OutsideStore } from "../outside/outside.store.ts";
import { openCheckpoint } from "../tree/checkpoint.ts";
import { WriterFenced } from "./writer.errors.ts";

let log: GivenLog;
beforeAll(async () => {
  log = await givenLog();
});
afterEach(() => log.reset());
afterAll(() => log.end());

const leaves = async () => {
  const { rows } = await log.superuser.query<{ leaf: Buffer }>("select leaf from log order by idx");
  return rows.map((row) => row.leaf);
};

test("what is appended is signed within a moment, and the root is the one that a plain tree gives", async () => {
  const writer = await log.writing();
  await log.append(writer, events(3));
  await log.append(writer, events(300, 4));
  const note = await log.published(303);
  const checkpoint = openCheckpoint(note, log.signer.key, log.signer.origin);
  expect(checkpoint?.root).toEqual(plainRoot(await leaves()));
  expect(await log.verify()).toEqual({ size: 303, checkpointSize: 303, ok: true });
  expect((await log.outside.readVkey())?.trim()).toBe(log.signer.vkey);
  const history = await log.superuser.query("select note from checkpoints order by size desc limit 1");
  expect(history.rows).toEqual([{ note }]);
});

test("a log that grows over several tiles, in uneven steps and over restarts, stays one tree", async () => {
  let appended = 0;
  for (const step of [1, 255, 1, 256, 700, 3]) {
    const writer = await log.writing();
    await log.append(writer, events(step, appended + 1));
    appended += step;
    await log.published(appended);
    await writer.stop();
    expect(await log.verify()).toMatchObject({ ok: true, checkpointSize: appended });
  }
  const note = await log.published(appended);
  const checkpoint = openCheckpoint(note, log.signer.key, log.signer.origin);
  expect(checkpoint?.root).toEqual(plainRoot(await leaves()));
});

test("an event that comes again is logged once", async () => {
  const writer = await log.writing();
  const some = events(5);
  await log.append(writer, some);
  await log.append(writer, [...some, ...some, ...events(1, 6)]);
  await log.published(6);
});

test.each(["writeBodies", "writeTile", "writeCheckpoint"] as (keyof OutsideStore)[])(
  "a crash before %s heals: the next writer publishes the same log",
  async (step) => {
    const before = await log.writing();
    await log.append(before, events(250));
    await log.published(250);
    await before.stop();
    let broken: keyof OutsideStore | null = step;
    const dying = await log.writing({ outside: crashing(log.outside, () => broken), retryMs: 20 });
    await log.append(dying, events(600, 251));
    await eventually(() => expect(dying.state().phase).toBe("waiting"));
    await dying.stop();
    broken = null;
    await log.writing();
    await log.published(850);
    expect(await log.verify()).toEqual({ size: 850, checkpointSize: 850, ok: true });
    expect(log.refusals).toEqual([]);
  },
);

test("a crash after the checkpoint is outside and before the history has it heals", async () => {
  const before = await log.writing();
  await log.append(before, events(10));
  await log.published(10);
  await before.stop();
  await log.superuser.query("delete from checkpoints where size = 10");
  const after = await log.writing();
  await log.append(after, events(1, 11));
  await log.published(11);
  const { rows } = await log.superuser.query("select size from checkpoints order by size");
  expect(rows).toEqual([{ size: "10" }, { size: "11" }]);
});

test("the torn end of a bundle of bodies, as a power cut leaves it, is written again", async () => {
  const before = await log.writing();
  await log.append(before, events(10));
  await log.published(10);
  await before.stop();
  const bodies = await log.outside.readBodies(0);
  await log.outside.writeBodies(await log.epoch(), 0, 10, [
    { id: bodies[0]?.id ?? "", sealed: Buffer.alloc(50) },
  ]);
  const after = await log.writing();
  await log.append(after, events(5, 11));
  await log.published(15);
  expect(await log.verify()).toMatchObject({ ok: true });
  expect(await log.outside.readBodies(0)).toHaveLength(15);
});

test("one of two writers writes; the other takes over when it goes", async () => {
  const first = await log.writing();
  const second = log.writer({ leaseMs: 500 });
  await log.append(first, events(2));
  await log.published(2);
  expect(second.state().phase).toBe("standby");
  await expect(log.append(second, events(1, 3))).rejects.toThrow(WriterFenced);
  await first.stop();
  await eventually(() => expect(second.state().phase).toBe("writing"));
  await log.append(second, events(1, 3));
  await log.published(3);
});

test("a writer that was replaced without knowing it can neither append nor sign", async () => {
  const old = await log.writing({ leaseMs: 60_000 });
  await log.append(old, events(2));
  await log.published(2);
  // Its lease ran out while it was frozen: to the database it is gone.
  await log.superuser.query("update writer set lease_until = now() - interval '1 second'");
  const successor = await log.writing({ leaseMs: 60_000 });
  await log.append(successor, events(2, 3));
  await log.published(4);
  await expect(log.append(old, events(1, 5))).rejects.toThrow(WriterFenced);
  await eventually(() => expect(old.state().phase).toBe("standby"));
  expect(await log.verify()).toMatchObject({ size: 4, ok: true });
});

test("a replaced writer that was about to sign leaves the successor's checkpoint alone", async () => {
  const frozen = { until: Promise.resolve() };
  const outside = new Proxy(log.outside, {
    get: (target, name: keyof OutsideStore) =>
      name === "writeTile"
        ? async (...tile: Parameters<OutsideStore["writeTile"]>) => {
            await target.writeTile(...tile);
            await frozen.until;
          }
        : target[name],
  });
  const old = await log.writing({ leaseMs: 60_000, outside });
  let thaw = () => {};
  frozen.until = new Promise((resolve) => {
    thaw = resolve;
  });
  await log.append(old, events(2));
  await log.superuser.query("update writer set lease_until = now() - interval '1 second'");
  const successor = await log.writing({ leaseMs: 60_000 });
  await log.append(successor, events(3, 3));
  const note = await log.published(5);
  thaw();
  await eventually(() => expect(old.state().phase).toBe("standby"));
  expect(await log.outside.readCheckpoint()).toBe(note);
});

test("a fresh log has no checkpoint, and a writer waits for its first event", async () => {
  await log.writing();
  expect(await log.outside.readCheckpoint()).toBeNull();
  expect(await log.verify()).toEqual({ size: 0, checkpointSize: 0, ok: true });
});

test.each([1, 2, 3])("a crash at tile %i of several heals: tiles of both sides of a border", async (nth) => {
  let left = Number.POSITIVE_INFINITY;
  const outside = crashing(log.outside, () => {
    left -= 1;
    return left < 0 ? "writeTile" : null;
  });
  const dying = await log.writing({ outside, retryMs: 5_000 });
  await log.append(dying, events(200));
  await log.published(200);
  left = nth;
  await log.append(dying, events(900, 201));
  await eventually(() => expect(dying.state().phase).toBe("waiting"));
  await dying.stop();
  await log.writing();
  await log.published(1_100);
  expect(await log.verify()).toEqual({ size: 1_100, checkpointSize: 1_100, ok: true });
});

test("a lease that ends later than any writer's is nobody's: it does not stop the log for years", async () => {
  const old = await log.writing({ leaseMs: 1_000 });
  await log.superuser.query(
    "update writer set owner = gen_random_uuid(), epoch = epoch + 1, lease_until = now() + interval '10 years'",
  );
  await eventually(() => expect(old.state().phase).toBe("writing"));
  await eventually(() => log.append(old, events(1)));
  await log.published(1);
});
