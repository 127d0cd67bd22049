import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { event, events, eventually, type GivenLog, givenLog, held } from "../../test/log-harness.ts";
import { columnsOf, makeEntries } from "./entry.ts";

let log: GivenLog;
beforeAll(async () => {
  log = await givenLog();
});
afterEach(() => log.reset());
afterAll(() => log.end());

const damage = (sql: string, values: unknown[] = []) => log.superuser.query(sql, values);
const signed = async () => (await log.outside.readCheckpoint())?.split("\n")[1];

const COLUMNS = `occurred_at, type, producer, epoch, seq, actor_id, actor_role, patient_ids, subject, action, outcome,
    purpose, ip, request_id`;
/** A copy of an entry at another place, and the size moved on, as a superuser can. */
const insertBeside = async (idx: number, from: number) => {
  await damage(
    `insert into log (idx, id, ${COLUMNS}, leaf, sealed)
     select $1, gen_random_uuid(), ${COLUMNS}, leaf, sealed from log where idx = $2`,
    [idx, from],
  );
  await damage("update writer set size = size + 1");
};
const TEMPORARY = 1_000_000;
const swap = async (one: number, other: number) => {
  await damage("update log set idx = $2 where idx = $1", [one, TEMPORARY]);
  await damage("update log set idx = $2 where idx = $1", [other, one]);
  await damage("update log set idx = $2 where idx = $1", [TEMPORARY, other]);
};

/** What a superuser does to entries 11 to 15, which have no checkpoint yet; how it is refused. */
const ATTACKS: [string, string, () => Promise<unknown>][] = [
  ["inserts an entry behind them", "foreign_entry", () => insertBeside(16, 3)],
  ["changes a leaf", "foreign_entry", () => damage("update log set leaf = sha256(leaf) where idx = 12")],
  [
    "changes a body",
    "foreign_entry",
    () => damage("update log set sealed = set_byte(sealed, 90, get_byte(sealed, 90) # 1) where idx = 12"),
  ],
  [
    "gives an entry another id",
    "foreign_entry",
    () => damage("update log set id = gen_random_uuid() where idx = 12"),
  ],
  ["swaps two", "foreign_entry", () => swap(12, 13)],
  [
    "swaps two bodies with their leaves",
    "foreign_entry",
    () =>
      damage(`update log set leaf = other.leaf, sealed = other.sealed
                from log other where log.idx + other.idx = 25 and log.idx in (12, 13)`),
  ],
  ["deletes one in the middle", "sequence_of_leaves_broken", () => damage("delete from log where idx = 12")],
  [
    "deletes the last ones and sets the size back",
    "log_truncated",
    async () => {
      await damage("delete from log where idx >= 14");
      await damage("update writer set size = 14");
    },
  ],
];

test.each(ATTACKS)(
  "a superuser who %s is found by the running writer before it signs",
  async (_, code, attack) => {
    const { outside, reached, release } = held(log.outside);
    const writer = await log.writing({ outside, leaseMs: 60_000 });
    await log.append(writer, events(11));
    await reached; // it has read the first 11
    await log.append(writer, events(5, 12));
    await attack();
    release();
    expect(await log.refusalOf(writer)).toBe(code);
    expect(Number((await signed()) ?? 0)).toBeLessThanOrEqual(11);
  },
);

test.each(ATTACKS.filter(([, code]) => code === "foreign_entry"))(
  "a superuser who %s is found by the writer that starts next",
  async (_, code, attack) => {
    const { outside, release } = held(log.outside);
    const killed = await log.writing({ outside, leaseMs: 60_000 });
    await log.append(killed, events(11));
    await log.append(killed, events(5, 12));
    await attack();
    await damage("update writer set lease_until = null");
    const next = log.writer();
    await eventually(() => expect(next.state().refusal?.code).toBe(code));
    expect(await signed()).toBeUndefined();
    release();
  },
);

test("a replaced entry that is sealed for its place, but is not what this writer appended, is not signed by it", async () => {
  const { outside, reached, release } = held(log.outside);
  const writer = await log.writing({ outside, leaseMs: 60_000 });
  await log.append(writer, events(11));
  await reached; // it has read the first 11
  await log.append(writer, events(5, 12));
  const [forged] = makeEntries([event(99)]);
  const { id } = columnsOf((forged as NonNullable<typeof forged>).event);
  await damage("update log set id = $1, leaf = $2, sealed = $3 where idx = 12", [
    id,
    forged?.leaf,
    log.seal.seal(12, id, forged?.body ?? Buffer.alloc(0)),
  ]);
  release();
  expect(await log.refusalOf(writer)).toBe("foreign_entry");
});
