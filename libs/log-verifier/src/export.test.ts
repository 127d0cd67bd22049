import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { entry, givenLog, plainRoot } from "../test/given-log.ts";

const PROGRAM = new URL("../../../tools/audit-verify.mjs", import.meta.url).pathname;
type Log = Awaited<ReturnType<typeof givenLog>>;
type Line = Record<string, unknown>;
let dir = "";
let log: Log;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "export-"));
  log = await givenLog(700);
});
afterAll(() => rm(dir, { recursive: true }));

/** The perfect subtrees without an exported entry that cover the rest, from the left. */
function cover(hashes: readonly Buffer[], has: ReadonlySet<number>, first = 0, level = 10): unknown[] {
  const [width, size] = [2 ** level, hashes.length];
  const inside = Array.from({ length: Math.max(0, Math.min(width, size - first)) }, (_, at) => first + at);
  if (inside.length === 0) return [];
  if (inside.length === width && !inside.some((index) => has.has(index)))
    return [[first, level, plainRoot(hashes.slice(first, first + width)).toString("base64")]];
  if (level === 0) return [];
  return [...cover(hashes, has, first, level - 1), ...cover(hashes, has, first + width / 2, level - 1)];
}

function exported(first: number, end: number, step = 1) {
  const indexes = Array.from({ length: end - first }, (_, at) => first + at).filter(
    (index) => index % step === 0,
  );
  const lines: Line[] = indexes.map((index) => {
    const { leaf, salt, event, columns } = log.entries[index] ?? entry(index);
    const view = {
      index,
      id: columns.id,
      type: columns.type,
      time: new Date(columns.occurredAt).toISOString(),
    };
    const actor = { actor: null, patientIds: [], subject: "patient/1", damaged: false };
    return { ...view, ...actor, leaf: leaf.toString("base64"), salt, canonicalEvent: event };
  });
  const nodes = cover(log.leafHashes(), new Set(indexes));
  const last: Line = {
    ...{ kind: "end", format: "medvault-export/1", first, end, count: lines.length },
    ...{ filter: step === 1 ? {} : { type: "x" }, treeSize: log.entries.length, checkpoint: log.note },
  };
  return { lines, nodes: nodes.length > 0 ? [{ kind: "nodes", nodes }] : [], last };
}

let count = 0;
async function verdict({ lines, nodes, last }: ReturnType<typeof exported>, text?: string) {
  count += 1;
  const file = join(dir, `${count}.ndjson`);
  const all = [...lines, ...nodes, last].map((line) => `${JSON.stringify(line)}\n`).join("");
  await writeFile(file, text ?? all);
  const args = [PROGRAM, "--key", log.signer.vkey, "--dump", file, "--json"];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
  const report = JSON.parse(stdout);
  return { status, found: report.findings?.map(({ kind, index }: Line) => [kind, index]), report };
}

test("an export of everything, of a range, through a filter and of nothing is valid", async () => {
  for (const [first, end, step] of [
    [0, 700, 1],
    [300, 400, 1],
    [0, 700, 7],
    [513, 690, 50],
    [5, 5, 1],
  ] as const) {
    const { status, report } = await verdict(exported(first, end, step));
    expect([first, status, report.findings]).toEqual([first, 0, []]);
    expect(report.gaps).toEqual(first === 0 && step === 1 ? [] : null);
  }
});

test("threat: a line that was edited, taken out, put in or exchanged is found", async () => {
  const good = () => exported(300, 400);
  const edited = good();
  edited.lines[7] = { ...edited.lines[7], subject: "patient/2" };
  expect(await verdict(edited)).toMatchObject({ status: 1, found: [["line_changed", 307]] });
  const salted = good();
  salted.lines[8] = { ...salted.lines[8], salt: entry(308).salt };
  expect((await verdict(salted)).found).toEqual([["body_changed", 308]]);
  const forged = good();
  const other = entry(309);
  forged.lines[9] = {
    ...forged.lines[9],
    leaf: other.leaf.toString("base64"),
    salt: other.salt,
    canonicalEvent: other.event,
  };
  expect((await verdict(forged)).found).toEqual([["edited", null]]);
  const less = good();
  less.lines.splice(10, 1);
  less.last = { ...less.last, count: 99 };
  expect((await verdict(less)).found).toEqual(expect.arrayContaining([["deleted", 310]]));
  const hidden = exported(300, 400);
  hidden.lines.splice(10, 1);
  hidden.nodes = [
    {
      kind: "nodes",
      nodes: cover(log.leafHashes(), new Set(hidden.lines.map(({ index }) => index as number))),
    },
  ];
  hidden.last = { ...hidden.last, count: 99 };
  expect((await verdict(hidden)).found).toEqual([["deleted", 310]]);
  const counted = good();
  counted.last = { ...counted.last, count: 98 };
  expect((await verdict(counted)).found).toEqual([["deleted", null]]);
  const signed = good();
  signed.last = { ...signed.last, checkpoint: log.note.replace("\n700\n", "\n701\n") };
  expect((await verdict(signed)).found).toEqual([["forged", null]]);
});

test("what broke off, is not signed yet or is no export is not checked", async () => {
  const good = exported(0, 9);
  const lines = good.lines.map((line) => JSON.stringify(line)).join("\n");
  for (const text of [
    "",
    "{}",
    lines,
    `${lines}\nx`,
    `${JSON.stringify(good.last)}\n{}`,
    "index,id\r\n1,2\r\n",
  ])
    expect((await verdict(good, text)).status, text.slice(-20)).toBe(2);
  good.last = { ...good.last, treeSize: null, checkpoint: null };
  expect((await verdict(good)).status).toBe(2);
  good.last = { ...exported(0, 9).last, end: 99_999 };
  expect((await verdict(good)).status).toBe(2);
  const backwards = exported(0, 9);
  backwards.lines.reverse();
  expect((await verdict(backwards)).status).toBe(2);
});
