import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { entry, givenLog, givenSigner, keeping, type TestEntry } from "../test/given-log.ts";
import { webEngine } from "./engine.mjs";
import { nodeEngine } from "./node/engine.mjs";
import { readKey } from "./note.mjs";
import { verifyLog } from "./verify.mjs";

type Log = Awaited<ReturnType<typeof givenLog>>;
const COUNT = 1_500;

const look = (log: Log, asked: Partial<Parameters<typeof verifyLog>[2]> = {}) =>
  verifyLog(nodeEngine, log.source(), { key: log.key, ...asked });
const kinds = async (log: Log, asked = {}) =>
  (await look(log, asked)).findings.map(({ kind, index }) => [kind, index]);
const at = (log: Log, index: number) => log.entries[index] as TestEntry;

test.each([0, 1, 2, 255, 256, 257, 511, 512, 1_000])(
  "an honest log of %i entries is valid, by both engines",
  async (count) => {
    const log = await givenLog(count);
    for (const engine of [nodeEngine, webEngine]) {
      const report = await verifyLog(engine, log.source(), { key: log.key });
      expect(report.findings).toEqual([]);
      expect(report).toMatchObject({ ok: true, size: count, bodies: count, unchecked: [] });
      expect(report.completeness).toEqual({ by: "entries", gaps: [] });
    }
  },
);

/** What someone with all rights over the database can do to entry 700 and those behind it. */
const DONE: Record<string, { to: (log: Log) => void; found: [string, number | null] }> = {
  edited: { to: (log) => void log.entries.splice(700, 1, entry(700)), found: ["edited", 700] },
  deleted: { to: (log) => void log.entries.splice(700, 1, null), found: ["deleted", 700] },
  "deleted, those behind moved up": { to: (log) => void log.entries.splice(700, 2), found: ["deleted", 700] },
  "its tail deleted": { to: (log) => void log.entries.splice(1_400), found: ["deleted", 1_400] },
  inserted: { to: (log) => void log.entries.splice(700, 0, entry(5_000)), found: ["inserted", 700] },
  swapped: {
    to: (log) => void log.entries.splice(700, 1, ...log.entries.splice(1_200, 1, at(log, 700))),
    found: ["swapped", 700],
  },
  reordered: {
    to: (log) => void log.entries.splice(700, 3, at(log, 702), at(log, 700), at(log, 701)),
    found: ["reordered", 700],
  },
};

test.each(Object.entries(DONE))(
  "threat: in the database an entry was %s: the first bad index and what was done",
  async (_, done) => {
    const log = await givenLog(COUNT);
    done.to(log);
    const report = await look(log, { onProgress: () => {} });
    expect(report.ok).toBe(false);
    expect(report.next).toBeNull();
    const main = report.findings.find(({ kind }) => !kind.startsWith("body") && kind !== "numbers_missing");
    expect([main?.kind, main?.index]).toEqual(done.found);
    expect(main?.words).toContain("in the database");
  },
);

test("threat: only the tiles outside were changed: it is said that the entries are not", async () => {
  const log = await givenLog(COUNT);
  log.hashes[300] = randomBytes(32);
  const report = await look(log);
  expect(report.findings).toMatchObject([
    { kind: "edited", index: 300, words: expect.stringContaining("tiles outside") },
  ]);
  log.buildTiles();
  log.tiles.set("tile/1/000.p/5", randomBytes(5 * 32));
  expect(await kinds(log)).toEqual([["tile_changed", 0]]);
  log.tiles.clear();
  expect(await kinds(log)).toEqual([["tile_changed", 0]]);
});

test("threat: a time or a body was changed, which no leaf shows", async () => {
  const log = await givenLog(COUNT);
  log.entries[9] = { ...at(log, 9), columns: { ...at(log, 9).columns, occurredAt: 5 } };
  expect(await kinds(log)).toEqual([["column_changed", 9]]);
  log.entries[8] = { ...at(log, 8), salt: entry(8).salt };
  log.entries[7] = { ...at(log, 7), event: "" };
  const findings = await look(log);
  expect(findings.findings).toMatchObject([
    { kind: "body_changed", index: 7, count: 2 },
    { kind: "column_changed", index: 9 },
    { kind: "numbers_missing", index: null },
  ]);
});

test("threat: bodies that are gone are an alarm, unless an entry says that their time was over", async () => {
  const log = await givenLog(600);
  const source = log.source();
  const bodies = source.bodies;
  source.bodies = async (from, to) => ((await bodies?.(from, to)) ?? []).filter(({ index }) => index >= 256);
  const asked = { key: log.key };
  const report = await verifyLog(nodeEngine, source, asked);
  expect(report.findings.map(({ kind, index }) => [kind, index])).toContainEqual(["body_deleted", 0]);
  log.entries[599] = retired(256);
  log.publish();
  const after = await verifyLog(nodeEngine, { ...source, gaps: async () => [] }, asked);
  expect(after).toMatchObject({ ok: true, dropped: 256, bodies: 344, completeness: { by: "service" } });
});

function retired(to: number): TestEntry {
  const details = { count: to, from: 0, to };
  return entry(599, 600, { type: "medvault.audit.log.retired.v1", details });
}

test("threat: rebuilt without a signature, with all tiles: told by what was kept", async () => {
  const log = await givenLog(COUNT);
  const run = keeping();
  const kept = run.after(await look(log, { keep: run.keep }));
  const note = log.note;
  log.entries[700] = entry(700);
  log.publish();
  log.note = note;
  expect(await kinds(log)).toEqual([["rebuilt_unsigned", 0]]);
  const { findings } = await look(log, { kept, whole: true });
  expect(findings).toMatchObject([
    { kind: "edited", index: 700, words: "in the database entry 700 was edited" },
    { kind: "edited", index: 700, words: "in the tiles outside the database entry 700 was edited" },
  ]);
});

test("threat: rolled back, and forked under the same key: both are told by what was kept", async () => {
  const log = await givenLog(COUNT);
  const run = keeping();
  const kept = run.after(await look(log, { keep: run.keep }));
  log.entries.splice(1_000);
  log.publish();
  expect(await kinds(log, { kept })).toEqual([["rolled_back", 1_000]]);
  for (let index = 1_000; index < COUNT; index += 1) log.entries.push(entry(index));
  log.publish();
  expect((await kinds(log, { kept })).map(([kind]) => kind)).toEqual(["fork", "fork"]);
  for (let index = COUNT; index < COUNT + 9; index += 1) log.entries.push(entry(index));
  log.publish();
  expect(await kinds(log, { kept })).toEqual([["fork", 1_000]]);
});

test("threat: what was kept and was changed since is not believed", async () => {
  const log = await givenLog(300);
  const run = keeping();
  const kept = run.after(await look(log, { keep: run.keep }));
  const [row = new Uint8Array(0), ...above] = kept.edge.levels;
  const levels = [row.map((byte) => byte ^ 1), ...above];
  const changed = { ...kept, edge: { ...kept.edge, levels } };
  await expect(look(log, { kept: changed })).rejects.toThrow("does not fit its own checkpoint");
});

test("a second run reads only what is new, and holds it against every checkpoint that was kept", async () => {
  const log = await givenLog(300);
  const run = keeping();
  let kept = run.after(await look(log, { keep: run.keep }));
  for (const size of [301, 700, 701]) {
    for (let index = log.entries.length; index < size; index += 1) log.entries.push(entry(index));
    log.publish();
    const next = keeping(kept);
    const seen: number[] = [];
    const source = log.source();
    const { log: read } = source;
    source.log = async (from, to) => {
      seen.push(from);
      return (await read?.(from, to)) ?? new Uint8Array(0);
    };
    const report = await verifyLog(nodeEngine, source, { key: log.key, kept, keep: next.keep });
    expect(report).toMatchObject({ ok: true, from: kept.edge.size, size, completeness: { by: "entries" } });
    expect(Math.min(...seen)).toBe(kept.edge.size);
    const before = kept;
    const after = next.after(report);
    kept = {
      ...after,
      mirror: async (from, to) => (to <= before.edge.size ? before : after).mirror(from, to),
    };
  }
  expect(kept.checkpoints.map(({ size }) => size)).toEqual([300, 301, 700, 701]);
});

test("a number that never arrived, and one that a heartbeat has announced", async () => {
  const log = await givenLog(5);
  log.entries[4] = entry(4, 9);
  log.entries.push(
    entry(5, 10, { type: "medvault.records.producer.heartbeat.v1", details: { epoch: 1, lastSeq: 12 } }),
  );
  log.publish();
  const { completeness, findings } = await look(log);
  expect(completeness.gaps).toMatchObject([
    { from: 5, to: 8 },
    { from: 11, to: 12 },
  ]);
  expect(findings.map(({ kind }) => kind)).toEqual(["numbers_missing", "numbers_missing"]);
});

test("k of n witnesses: fewer are a finding; a false cosignature, one from the future or a stranger's do not count", async () => {
  const log = await givenLog(10);
  const signers = ["w.test/1", "w.test/2", "w.test/3"].map((name) => givenSigner(name, 4));
  const witnesses = await Promise.all(signers.map(({ vkey }) => readKey(nodeEngine, vkey)));
  const text = log.note.slice(0, log.note.indexOf("\n\n") + 1);
  const [one, two, three] = signers;
  const bare = log.note;
  const quorum = async (lines: string, k: number) => {
    log.note = bare + lines;
    return await kinds(log, { witnesses, quorum: k, now: 1_000 });
  };
  expect(await quorum("", 1)).toEqual([["witnesses", null]]);
  expect(await quorum(`${one?.cosign(text, 900)}${three?.cosign(text, 1_100)}`, 2)).toEqual([]);
  expect(await quorum(`${one?.cosign(text, 900)}${one?.cosign(text, 901)}`, 2)).toEqual([
    ["witnesses", null],
  ]);
  expect(await quorum(`${one?.cosign(text, 900)}${two?.cosign(text, 9_000)}`, 2)).toEqual([
    ["witnesses", null],
  ]);
  expect(await quorum(givenSigner("w.test/1", 4).cosign(text, 900), 1)).toEqual([["witnesses", null]]);
  expect(await quorum(`${one?.cosign(`${text}x`, 900)}`, 1)).toEqual([["forged", null]]);
});

test("threat: a checkpoint that is forged, of another log or another key is refused before anything is read", async () => {
  const log = await givenLog(3);
  const forged = log.note.replace("\n3\n", "\n2\n");
  for (const note of [
    forged,
    "",
    "x",
    "\n\n",
    log.note.replace("\n\n", "\n"),
    givenSigner("example.test/audit").sign("x"),
  ]) {
    log.note = note;
    expect(await kinds(log), note).toEqual([["forged", null]]);
  }
  const other = await givenLog(3);
  expect(await kinds(log, { key: other.key })).toEqual([["forged", null]]);
});
