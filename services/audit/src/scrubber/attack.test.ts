import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { INTEGRITY_FAILED } from "@medvault/contracts";
import { drainedEvents } from "@medvault/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { event, events, type GivenLog, givenLog } from "../../test/log-harness.ts";
import { makeEntries } from "../log/entry.ts";
import { encodeBodies } from "../outside/body-bundle.ts";
import { leafHash } from "../tree/hash.ts";
import { openFindings } from "./finding.store.ts";
import { createScrubber, type Scrubber } from "./scrubber.service.ts";

/** Three tiles, of which two are full. */
const SIZE = 560;
/** The rounds that begin within 10 s. */
const ROUNDS = 4;
let log: GivenLog;
let scrubber: Scrubber;
let early: Buffer;
const TABLES = ["log", "checkpoints", "sequences"];
beforeAll(async () => {
  log = await givenLog();
  const writer = await log.writing();
  await log.append(writer, events(300));
  await log.published(300);
  early = await readFile(join(log.dir, "checkpoint"));
  await log.append(writer, events(SIZE - 300, 301));
  await log.published(SIZE);
  await writer.stop();
  await cp(log.dir, `${log.dir}.kept`, { recursive: true });
  for (const table of TABLES) await damage(`create temp table kept_${table} as select * from ${table}`);
});
beforeEach(async () => {
  await damage("truncate log, log_ids, log_counts, checkpoints, sequences, findings, outbox");
  for (const table of TABLES) await damage(`insert into ${table} select * from kept_${table}`);
  await damage("update writer set size = $1", [SIZE]);
  await rm(log.dir, { recursive: true });
  await cp(`${log.dir}.kept`, log.dir, { recursive: true });
  scrubber = createScrubber(log.context, 2_000);
  await round();
  expect(await openFindings(log.pool)).toEqual([]);
});
afterAll(async () => {
  await rm(`${log.dir}.kept`, { recursive: true, force: true });
  await log.end();
});
const round = () => scrubber.round(new AbortController().signal);

const damage = (sql: string, values: unknown[] = []) => log.superuser.query(sql, values);
const file = (name: string) => join(log.dir, name);
const flip = async (name: string, at: number) => {
  const bytes = await readFile(file(name));
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  await writeFile(file(name), bytes);
};
const swap = async (one: number, other: number) => {
  await damage("update log set idx = 1000000 where idx = $1", [one]);
  await damage("update log set idx = $1 where idx = $2", [one, other]);
  await damage("update log set idx = $1 where idx = 1000000", [other]);
};
/** As someone with the log's stolen keys, but not the signing key, would: bodies that open. */
const replace = async (idx: number) => {
  const { rows } = await damage("select id from log where idx = $1", [idx]);
  const [made] = makeEntries([event(idx + 1, { id: rows[0].id })]);
  const sealed = log.seal.seal(idx, rows[0].id, made?.body ?? Buffer.alloc(0));
  const { actor, patientIds } = (made as NonNullable<typeof made>).event.data;
  await damage(
    "update log set leaf = $2, sealed = $3, actor_id = $4, patient_ids = $5, subject = $6, request_id = $7 where idx = $1",
    [idx, made?.leaf, sealed, actor?.id, patientIds, made?.event.subject, made?.event.requestid],
  );
  return sealed;
};

/** What a superuser of Postgres, or whoever reaches the store outside, does; what is found. */
const ATTACKS: [string, string, number | null, () => Promise<unknown>][] = [
  [
    "a body is edited",
    "body_changed",
    400,
    () => damage("update log set sealed = set_byte(sealed, 90, get_byte(sealed, 90) # 1) where idx = 400"),
  ],
  [
    "a leaf is edited",
    "leaf_changed",
    400,
    () => damage("update log set leaf = sha256(leaf) where idx = 400"),
  ],
  [
    "an actor is edited",
    "column_changed",
    5,
    () => damage("update log set actor_id = 'nobody' where idx = 5"),
  ],
  [
    "an outcome is edited",
    "column_changed",
    5,
    () => damage("update log set outcome = 'denied' where idx = 5"),
  ],
  [
    "a patient is taken out",
    "column_changed",
    5,
    () => damage("update log set patient_ids = '{}' where idx = 5"),
  ],
  [
    "a time is changed",
    "column_changed",
    300,
    () => damage("update log set occurred_at = occurred_at + interval '1 hour' where idx = 300"),
  ],
  [
    "an id is changed",
    "column_changed",
    9,
    () => damage("update log set id = gen_random_uuid() where idx = 9"),
  ],
  ["one in the middle is deleted", "entry_deleted", 300, () => damage("delete from log where idx = 300")],
  ["the tail is deleted", "log_truncated", 530, () => damage("delete from log where idx >= 530")],
  [
    "the tail is deleted and the size set back",
    "log_truncated",
    530,
    async () => {
      await damage("delete from log where idx >= 530");
      await damage("update writer set size = 530");
    },
  ],
  [
    "the database is set back as a whole",
    "log_truncated",
    300,
    async () => {
      await damage("delete from log where idx >= 300");
      await damage("delete from checkpoints where size > 300");
      await damage("update writer set size = 300");
    },
  ],
  [
    "both stores are set back",
    "checkpoint_older",
    300,
    async () => {
      await damage("delete from log where idx >= 300");
      await damage("delete from checkpoints where size > 300");
      await damage("update writer set size = 300");
      await writeFile(file("checkpoint"), early);
    },
  ],
  [
    "one is inserted at the end",
    "entry_inserted",
    SIZE,
    async () => {
      await damage("create temp table if not exists copied as select * from log where false");
      await damage("truncate copied");
      await damage("insert into copied select * from log where idx = 3");
      await damage("update copied set idx = $1, id = gen_random_uuid()", [SIZE]);
      await damage("insert into log select * from copied");
      await damage("update writer set size = size + 1");
    },
  ],
  ["two are reordered", "entries_moved", 30, () => swap(30, 31)],
  [
    "two bodies are swapped",
    "body_changed",
    40,
    () =>
      damage(
        "update log set sealed = other.sealed from log other where log.idx + other.idx = 81 and log.idx in (40, 41)",
      ),
  ],
  ["one is replaced by one that opens", "leaf_changed", 450, () => replace(450)],
  [
    "rows, bodies and tiles are built again, unsigned",
    "leaf_changed",
    256,
    async () => {
      const sealed = await replace(450);
      const bodies = await log.outside.readBodies(1);
      const forged = bodies.map((body, at) => (at === 194 ? { ...body, sealed } : body));
      await writeFile(file("bodies/001"), encodeBodies(forged));
      const { rows } = await damage("select leaf from log where idx = 450");
      const hashes = await log.outside.readTile(0, 1, 256);
      await writeFile(file("tile/0/001"), Buffer.concat(hashes.with(194, leafHash(rows[0].leaf))));
    },
  ],
  [
    "a fork is signed with the stolen key",
    "root_not_signed",
    null,
    () => writeFile(file("checkpoint"), log.signer.sign({ size: SIZE, root: Buffer.alloc(32, 7) }).note),
  ],
  ["a tile outside is edited", "outside_tile_changed", 256 + 3, () => flip("tile/0/001", 3 * 32)],
  ["the last tile outside is edited", "outside_tile_changed", 512 + 2, () => flip("tile/0/002.p/48", 2 * 32)],
  ["a tile outside is lost", "outside_tile_changed", 256, () => rm(file("tile/0/001"))],
  ["an upper tile outside is edited", "root_not_signed", null, () => flip("tile/1/000.p/2", 5)],
  ["a body outside is edited", "outside_body_changed", 256, () => flip("bodies/001", 60)],
  ["bodies outside are lost", "outside_body_changed", 256, () => rm(file("bodies/001"))],
  ["the checkpoint outside is lost", "checkpoint_missing", null, () => rm(file("checkpoint"))],
  ["the checkpoint outside is edited", "checkpoint_forged", null, () => flip("checkpoint", 25)],
  ["the checkpoint outside is set back", "checkpoint_older", 300, () => writeFile(file("checkpoint"), early)],
  ["a retirement is made up", "retirement_forged", null, () => writeFile(file("retired"), "made up\n")],
  [
    "a checkpoint of the history is edited",
    "history_changed",
    299,
    () => damage("update checkpoints set root = sha256(root) where size = 300"),
  ],
  [
    "the numbers that arrived are edited",
    "sequences_changed",
    null,
    () => damage("update sequences set received = '{[1,5000)}'"),
  ],
  [
    "a gap is made in the numbers that arrived",
    "sequences_changed",
    null,
    () => damage("update sequences set received = received - '{[7,8)}'::int8multirange"),
  ],
];

test.each(ATTACKS)(
  "%s: the running service finds it within 10 s, tells it once, and verify finds it",
  async (_, fault, index, attack) => {
    await attack();
    for (let n = 0; n < ROUNDS && (await openFindings(log.pool)).length === 0; n += 1) await round();
    await round();
    expect(await openFindings(log.pool)).toContainEqual({ fault, index, foundAt: expect.any(Date) });
    const told = (await drainedEvents(log.pool)).filter(({ type }) => type === INTEGRITY_FAILED);
    const said = told.map(({ data }) => `${data.outcome} ${data.decision.reason} ${data.details?.index}`);
    expect(said).toContain(`failure ${fault} ${index}`);
    expect(new Set(said).size).toBe(said.length);
    if (fault !== "history_changed") expect(await log.verify()).toMatchObject({ ok: false });
  },
);
