import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createPool } from "@medvault/postgres";
import { drainedEvents } from "@medvault/testing";
import type pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import {
  crashing,
  event,
  events,
  eventually,
  type GivenLog,
  givenLog,
  held,
} from "../../test/log-harness.ts";
import { columnsOf, makeEntries } from "../log/entry.ts";
import type { OutsideStore } from "../outside/outside.store.ts";
import { type HealedLog, heal, openHealedLog, planHealing } from "./healed-log.service.ts";

/** Three tiles are signed; no checkpoint covers the last entries, nor are they outside. */
const SIGNED = 600;
const SIZE = 610;
const BY = "an operator";
let log: GivenLog;
let owner: pg.Pool;
let owned: HealedLog;
let release = () => {};
let before: string[];

beforeAll(async () => {
  log = await givenLog();
  owner = createPool({
    connectionString: log.database.ownerUrl,
    schema: "audit",
    applicationName: "test heal",
  });
});
beforeEach(async () => {
  await log.reset();
  const writer = await log.writing();
  await log.append(writer, events(SIGNED));
  await log.published(SIGNED);
  await writer.stop();
  const store = held(log.outside);
  ({ release } = store);
  const killed = await log.writing({ outside: store.outside, leaseMs: 60_000 });
  await log.append(killed, events(SIZE - SIGNED, SIGNED + 1));
  await damage("update writer set lease_until = null");
  owned = await openHealedLog(owner, log.keyring, { directory: log.dir, origin: log.signer.origin });
  before = await lines();
});
afterEach(async () => {
  release();
  await damage(
    "alter table quarantine disable trigger user; truncate quarantine, healings; alter table quarantine enable trigger user",
  );
});
afterAll(async () => {
  await owner.end();
  await log.end();
});

const damage = (sql: string, values?: unknown[]) => log.superuser.query(sql, values);
const lines = async (where = "true") =>
  (await damage(`select l::text as line from log l where ${where} order by idx`)).rows.map(({ line }) =>
    String(line),
  );
const at = (...parts: string[]) => join(log.dir, ...parts);
const flip = async (file: string, byte: number) => {
  const bytes = await readFile(at(file));
  bytes.writeUInt8(bytes.readUInt8(byte) ^ 1, byte);
  await writeFile(at(file), bytes);
};
const quarantined = async () =>
  (await damage("select why, (entry ->> 'idx')::int as idx from quarantine order by n")).rows;
const without = (...idxs: number[]) => before.filter((_, idx) => !idxs.includes(idx));

const COLUMNS = `occurred_at, type, producer, epoch, seq, actor_id, actor_role, patient_ids, subject, action, outcome,
    purpose, ip, request_id`;
const insertForeign = (idx: number) =>
  damage(
    `insert into log (idx, id, ${COLUMNS}, leaf, sealed)
     select $1, gen_random_uuid(), ${COLUMNS}, leaf, sealed from log where idx = 3`,
    [idx],
  );
const FREE = 1_000_000;
const swap = async (one: number, other: number) => {
  await damage("update log set idx = $2 where idx = $1", [one, FREE]);
  await damage("update log set idx = $2 where idx = $1", [other, one]);
  await damage("update log set idx = $2 where idx = $1", [FREE, other]);
};

/** What is done to the log, and what a plan finds: afterwards the log says what it said before. */
const ATTACKS: [string, Record<string, number>, () => Promise<unknown>][] = [
  [
    "a changed body, leaf, id and time",
    { edited: 4 },
    async () => {
      await damage("update log set sealed = set_byte(sealed, 90, get_byte(sealed, 90) # 1) where idx = 10");
      await damage("update log set leaf = sha256(leaf) where idx = 11");
      await damage("update log set id = gen_random_uuid() where idx = 12");
      await damage("update log set occurred_at = now() where idx = 13");
    },
  ],
  [
    "a column that hides an event",
    { edited: 2 },
    () => damage("update log set actor_id = 'x', outcome = 'denied' where idx in (300, 605)"),
  ],
  ["two entries swapped", { edited: 2 }, () => swap(10, 300)],
  [
    "two bodies swapped, with their leaves",
    { edited: 2 },
    () =>
      damage(`update log set leaf = other.leaf, sealed = other.sealed
              from log other where log.idx + other.idx = 310 and log.idx in (10, 300)`),
  ],
  [
    "entries deleted past the triggers",
    { missing: 3 },
    () =>
      damage(
        "set session_replication_role = replica; delete from log where idx in (20, 21, 400); reset session_replication_role",
      ),
  ],
  [
    "signed entries deleted, their ids left to others",
    { missing: 1, foreign: 1 },
    async () => {
      const { rows } = await damage("delete from log where idx = 20 returning id");
      await insertForeign(SIZE);
      await damage("update log set id = $1 where idx = $2", [rows[0].id, SIZE]);
    },
  ],
  [
    "an entry inserted behind",
    { foreign: 2 },
    async () => {
      await insertForeign(SIZE);
      await insertForeign(SIZE + 90);
      await damage("update writer set size = size + 1");
    },
  ],
  [
    "the size set back, and what arrived",
    { numbers: 1 },
    async () => {
      await damage("update writer set size = 100");
      await damage("update sequences set received = received + '{[900,1000)}'");
    },
  ],
  ["a lost checkpoint outside", { checkpoint: 1 }, () => rm(at("checkpoint"))],
  ["a forged checkpoint outside", { checkpoint: 1 }, () => writeFile(at("checkpoint"), "nonsense\n")],
  [
    "a changed public key outside",
    { vkey: 1 },
    () => writeFile(at("audit.vkey"), "example.test/audit+00000000+AAAA\n"),
  ],
  [
    "changed, cut and lost tiles",
    { tiles: 4 },
    async () => {
      await flip("tile/0/000", 99);
      await writeFile(at("tile/0/001"), "short");
      await flip("tile/0/002.p/88", 99);
      await rm(at("tile/1/000.p"), { recursive: true });
    },
  ],
  [
    "changed bodies and lengths outside",
    { bundles: 2 },
    async () => {
      await flip("bodies/000", 60);
      await flip("bodies/001", 16);
    },
  ],
  [
    "all bodies outside lost, and columns changed",
    { bundles: 3, edited: 1 },
    async () => {
      await rm(at("bodies"), { recursive: true });
      await damage("update log set subject = 'x' where idx = 10");
    },
  ],
  [
    "a checkpoint in the history that nobody signed",
    { forged: 1 },
    () =>
      damage(
        "insert into checkpoints (size, root, note, signed_at) values (900, sha256('x'), 'note', now())",
      ),
  ],
  [
    "an event replaced whole with the log's own key",
    { edited: 1 },
    async () => {
      const [forged] = makeEntries([event(99)]);
      const { id } = columnsOf((forged as NonNullable<typeof forged>).event);
      const sealed = log.seal.seal(10, id, forged?.body ?? Buffer.alloc(0));
      await damage("update log set id = $1, leaf = $2, sealed = $3 where idx = 10", [
        id,
        forged?.leaf,
        sealed,
      ]);
    },
  ],
];

/** A writer takes the log, and it verifies. */
async function isWhole(size: number): Promise<void> {
  const writer = await log.writing();
  await log.append(writer, events(1, 900));
  await log.published(size + 1);
  expect(await log.verify()).toEqual({ size: size + 1, checkpointSize: size + 1, ok: true });
  await writer.stop();
}

test.each(ATTACKS)("%s is healed: the log says again what it said", async (_, found, attack) => {
  await attack();
  const plan = await planHealing(owned);
  expect(plan.isToDo).toBe(true);
  expect(Object.fromEntries([...plan.found].map(([kind, { count }]) => [kind, count]))).toEqual(found);
  expect((await quarantined()).length, "a plan changes nothing").toBe(0);
  const after = await heal(owned, BY, () => {});
  expect(after).toMatchObject({ signed: SIGNED, size: SIZE, isToDo: false, found: new Map() });
  expect(await lines()).toEqual(before);
  const taken = (await quarantined()).length;
  const { edited = 0, foreign = 0, forged = 0, numbers = 0 } = found;
  expect(taken).toBe(edited + foreign + forged + numbers);
  const [healed] = (await drainedEvents(owner)).filter(({ type }) => type === "medvault.audit.log.healed.v1");
  expect(healed?.data.details).toMatchObject({ by: BY, from: SIGNED, to: SIZE, ...found });
  const ids = await damage("select from log join log_ids using (id, idx)");
  expect(ids.rowCount).toBe(SIZE);
  const counted = await damage(
    "select sum(success + denied + failure)::int as n from log_counts where minutes = 60",
  );
  expect(counted.rows).toEqual([{ n: SIZE }]);
  await isWhole(SIZE);
});

test("a database set back to an earlier state is brought forward again from outside", async () => {
  await damage("delete from log where idx >= 500");
  await damage("delete from checkpoints");
  await damage("update writer set size = 500");
  await heal(owned, BY, () => {});
  expect(await lines()).toEqual(before.slice(0, SIGNED));
  await isWhole(SIGNED);
});

test("an older checkpoint outside, as a restored disk brings, gives way to the one in the history", async () => {
  const older = await readFile(at("checkpoint"));
  const writer = await log.writing();
  await log.published(SIZE);
  await writer.stop();
  await writeFile(at("checkpoint"), older);
  expect(await planHealing(owned)).toMatchObject({ signed: SIZE, isToDo: true });
  await heal(owned, BY, () => {});
  await isWhole(SIZE);
});

test("entries behind one that was taken out before it was signed close up, and none of them is lost", async () => {
  const { rows } = await damage("select array_agg(id order by idx) as ids from log where idx > 603");
  await damage("delete from log where idx = 603");
  await insertForeign(603);
  const plan = await planHealing(owned);
  expect(plan.found.get("moved")).toEqual({ count: 6, ranges: [[604, 609]] });
  const after = await heal(owned, BY, () => {});
  expect(after).toMatchObject({ size: SIZE - 1, isToDo: false });
  const now = await damage("select array_agg(id order by idx) as ids from log where idx >= 603");
  expect(now.rows[0].ids).toEqual(rows[0].ids);
  expect(await lines("idx < 603")).toEqual(without(603, 604, 605, 606, 607, 608, 609));
  expect((await quarantined()).map(({ why }) => why)).toEqual([
    ...["foreign", ...Array(6).fill("moved")],
    "numbers", // the one that was taken out had been counted
  ]);
  await isWhole(SIZE - 1);
});

test("bodies that are nowhere are named; the log goes on without them", async () => {
  await damage("update log set sealed = '\\x00' where idx in (10, 11)");
  await rm(at("bodies/000"));
  const after = await heal(owned, BY, () => {});
  expect(Object.fromEntries(after.found)).toEqual({ bodiless: { count: 2, ranges: [[10, 11]] } });
  expect(after.isToDo).toBe(false);
  const writer = await log.writing();
  await writer.stop();
});

test("entries that are nowhere are named, and the others are put back", async () => {
  await damage("delete from log where idx in (10, 300)");
  await flip("bodies/000", 16);
  const after = await heal(owned, BY, () => {});
  expect(Object.fromEntries(after.found)).toEqual({ gone: { count: 1, ranges: [[10, 10]] } });
  expect(await lines()).toEqual(without(10));
});

test("what does not give the signed root is believed in nothing: the log stays as it is", async () => {
  await damage("delete from log where idx = 10");
  await rm(at("bodies/000"));
  await rm(at("tile/0/000"));
  const left = await lines();
  await expect(heal(owned, BY, () => {})).rejects.toThrow(
    "does not give the root that was signed over 600 entries",
  );
  expect(await lines()).toEqual(left);
});

test("while a service has the log it is not healed, and one that wakes up during a healing writes nothing", async () => {
  await damage("update log set actor_id = 'x' where idx = 300");
  await damage("update writer set lease_until = now() + interval '1 minute'");
  await expect(heal(owned, BY, () => {})).rejects.toThrow("stop all audit services");
  await damage("update writer set lease_until = null");
  await heal(owned, BY, () => {});
  const writer = await log.writing();
  release(); // the writer that hung since before
  await log.append(writer, events(1, 900));
  await log.published(SIZE + 1);
  expect(await log.verify()).toMatchObject({ ok: true });
  expect(log.refusals).toEqual([]);
});

test("the service's own role can do none of it", async () => {
  await damage("update log set actor_id = 'x' where idx = 300");
  const own = await openHealedLog(log.pool, log.keyring, { directory: log.dir, origin: log.signer.origin });
  await expect(heal(own, BY, () => {})).rejects.toMatchObject({ code: "42501" });
  await expect(
    log.pool.query(
      "insert into quarantine (healing, why, entry) values (gen_random_uuid(), 'foreign', '{}')",
    ),
  ).rejects.toMatchObject({ code: "42501" });
});

test("what is in quarantine stays there, also for the role that owns it", async () => {
  await insertForeign(SIZE);
  await heal(owned, BY, () => {});
  for (const statement of [
    "delete from quarantine",
    "update quarantine set why = 'edited'",
    "truncate quarantine",
  ])
    await expect(owner.query(statement)).rejects.toThrow("stays there");
});

test.each([0, 1, 2, 4, 6])(
  "ended before its step %i outside, a healing goes on when it is run again",
  async (nth) => {
    await damage("delete from log where idx in (20, 400)");
    await swap(10, 300);
    await insertForeign(SIZE);
    await flip("bodies/000", 60);
    await flip("tile/0/000", 99);
    await writeFile(at("checkpoint"), "nonsense\n");
    const steps: (keyof OutsideStore)[] = ["setAside", "replaceBodies", "writeTile", "writeCheckpoint"];
    let left = nth;
    const outside = crashing(log.outside, () => null);
    const ending = new Proxy(outside, {
      get: (target, name: keyof OutsideStore) =>
        steps.includes(name) && left-- === 0 ? () => Promise.reject(new Error("ended")) : target[name],
    });
    await heal({ ...owned, outside: ending }, BY, () => {}).catch((error: Error) =>
      expect(error.message).toBe("ended"),
    );
    const after = await heal(owned, BY, () => {});
    expect(after).toMatchObject({ size: SIZE, isToDo: false, found: new Map() });
    expect(await lines()).toEqual(before);
    await eventually(async () => expect(await quarantined()).toHaveLength(3));
    await isWhole(SIZE);
  },
);
