import { newId } from "@medvault/contracts";
import { drainedEvents } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseExport, rootOfExport } from "../../test/export-check.ts";
import { startAudit, type TestAudit } from "../../test/harness.ts";
import { event } from "../../test/log-harness.ts";
import { openCheckpoint } from "../tree/checkpoint.ts";

/** Enough for a full tile, a partial one, and more than one statement's rows. */
const SIZE = 700;
const [SOME, FEW] = [newId(), newId()];
let audit: TestAudit;
beforeAll(async () => {
  audit = await startAudit();
  const all = Array.from({ length: SIZE }, (_, at) => {
    const patientIds = at % 100 === 7 ? [FEW] : at % 3 === 0 ? [SOME] : [newId()];
    return event(at + 1, { data: { patientIds } });
  });
  for (let at = 0; at < SIZE; at += 100) await audit.send(...all.slice(at, at + 100));
  await audit.logged(SIZE);
  await audit.published(SIZE);
}, 60_000);
afterAll(() => audit.end());

const exported = async (search: string) =>
  parseExport((await audit.as("auditor").get(`/v1/audit/export?${search}`)).bytes.toString());
const indexes = (of: ReturnType<typeof parseExport>) => of.entries.map(({ index }) => index);
const upTo = (end: number, from = 0) => Array.from({ length: end - from }, (_, at) => from + at);
const rootOf = (note: string | null | undefined) =>
  openCheckpoint(note ?? "", audit.signer.key, audit.signer.origin)?.root.toString("base64");

test.each([
  ["all of the log", "", 0, SIZE, SIZE],
  ["a filter that a third passes", `patientId=${SOME}`, 0, SIZE, null],
  ["a filter that few pass", `patientId=${FEW}`, 0, SIZE, 7],
  ["a filter that nothing passes", `patientId=${newId()}`, 0, SIZE, 0],
  ["what is behind an index", "after=299", 300, SIZE, 400],
  ["what is between two indexes", "after=255&before=513", 256, 513, 257],
  ["one entry", "after=512&before=514", 513, 514, 1],
  ["a filter within a range", `after=99&before=600&patientId=${FEW}`, 100, 600, 5],
  ["nothing", "after=699", 700, 700, 0],
  ["more than there is", "after=10000&before=20000", SIZE, SIZE, 0],
])("an export of %s gives the root of its signed checkpoint", async (_, search, first, end, count) => {
  const given = await exported(search);
  expect(given.end).toMatchObject({ kind: "end", format: "medvault-export/1", first, end, treeSize: SIZE });
  expect(given.end?.count).toBe(given.entries.length);
  if (count !== null) expect(given.entries).toHaveLength(count);
  if (!search.includes("patientId")) expect(indexes(given)).toEqual(upTo(end, first));
  expect(rootOfExport(given)).toBe(rootOf(given.end?.checkpoint));
});

test("threat: an entry that is left out, changed, swapped or added is seen", async () => {
  const given = await exported(`patientId=${FEW}`);
  const root = rootOf(given.end?.checkpoint);
  const [first, second, ...rest] = given.entries;
  if (!first || !second) throw new Error("there are some");
  const other = { ...second, index: first.index };
  const changed = { ...first, canonicalEvent: Buffer.from("{}").toString("base64") };
  for (const entries of [
    [second, ...rest],
    [changed, second, ...rest],
    [other, { ...first, index: second.index }, ...rest],
    [first, first, second, ...rest],
    [first, second, ...rest, { ...second, index: SIZE }],
  ])
    expect(rootOfExport({ ...given, entries })).not.toBe(root);
  expect(rootOfExport({ ...given, nodes: given.nodes.slice(1) })).not.toBe(root);
});

test("the canonical event of a line is what the line shows", async () => {
  for (const line of (await exported("before=5")).entries) {
    const said = JSON.parse(Buffer.from(line.canonicalEvent ?? "", "base64").toString("utf8"));
    expect([line.id, line.time, line.type, line.subject]).toEqual([
      said.id,
      said.time,
      said.type,
      said.subject,
    ]);
    expect(line.patientIds).toEqual(said.data.patientIds);
  }
});

test("parts that each begin where the last one broke off are the whole, each under its own checkpoint", async () => {
  const parts: number[] = [];
  for (let after = -1; after < SIZE - 1; ) {
    const part = await exported(`after=${after}`);
    const kept = part.entries.slice(0, 1 + Math.floor(Math.random() * 250)); // the rest did not come
    parts.push(...kept.map(({ index }) => index));
    after = parts.at(-1) ?? after;
  }
  expect(parts).toEqual(upTo(SIZE));
});

test("without a proof there are entries alone; every export is in the log, with its range", async () => {
  await drainedEvents(audit.pool);
  const { bytes } = await audit
    .as("auditor")
    .get(`/v1/audit/export?proof=0&after=9&before=13&patientId=${SOME}`);
  const lines = bytes
    .toString()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines).toHaveLength(1);
  expect(lines[0]).not.toHaveProperty("leaf");
  expect(await drainedEvents(audit.pool)).toMatchObject([
    {
      type: "medvault.audit.log.exported.v1",
      data: { fields: ["patientId"], patientIds: [SOME], details: { format: "ndjson", first: 10, end: 13 } },
    },
  ]);
});

test.each(["fhir", "ocsf", "cef", "csv"] as const)(
  "%s ends with its range, its checkpoint and where its proof is",
  async (format) => {
    const auditor = audit.as("auditor");
    const search = `format=${format}&after=9&before=40&patientId=${SOME}`;
    const plain = await auditor.get(`/v1/audit/export?${search}&proof=0`);
    const { bytes } = await auditor.get(`/v1/audit/export?${search}&proof=1`);
    const text = bytes.toString();
    expect(text.startsWith(plain.bytes.toString())).toBe(true);
    const end = text.slice(plain.bytes.length);
    expect(end).toContain(audit.signer.origin);
    const proof = /\/v1\/audit\/export\?format\\?=ndjson[^\s",]+/.exec(end)?.[0].replaceAll("\\", "") ?? "";
    const given = parseExport((await auditor.get(proof)).bytes.toString());
    expect(given.end).toMatchObject({ first: 10, end: 40, filter: { patientId: SOME } });
    expect(indexes(given)).toEqual([12, 15, 18, 21, 24, 27, 30, 33, 36, 39]);
    const byDefault = await auditor.get(`/v1/audit/export?${search}`);
    expect(byDefault.bytes.toString().trimEnd().split("\n")).toHaveLength(11); // an end, or a head
  },
);

test("bad ranges and formats are 400", async () => {
  for (const search of ["after=x", "after=-2", "before=-1", "before=1.5", "format=xml", "proof=2", "limit=1"])
    expect((await audit.as("auditor").get(`/v1/audit/export?${search}`)).status, search).toBe(400);
});

test("what no checkpoint covers yet is exported, and its end says that nothing proves it", async () => {
  await audit.writer.stop();
  await audit.superuser.query(
    `insert into log (idx, id, occurred_at, type, producer, patient_ids, subject, action, outcome, leaf, sealed)
     select $1, gen_random_uuid(), now(), type, producer, patient_ids, subject, action, outcome, leaf, sealed from log where idx = 0`,
    [SIZE],
  );
  const given = await exported("after=690");
  expect(indexes(given)).toEqual(upTo(SIZE + 1, 691));
  expect(given.entries.at(-1)).toMatchObject({ damaged: true, index: SIZE });
  expect(given.end).toMatchObject({ count: 10, treeSize: null, checkpoint: null, reason: "not_yet_signed" });
  expect(given.nodes).toEqual([]);
});

test("three exports at once are as many as a person has: more would take Postgres from the log", async () => {
  const auditor = audit.as("auditor");
  const free = [1, 2, 3].map(() => audit.context.exportPlaces.take(auditor.actor.id));
  const refused = await auditor.get("/v1/audit/export");
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "10"]);
  expect(JSON.parse(refused.bytes.toString())).toMatchObject({ code: "too_many_streams" });
  free[0]?.();
  for (let n = 0; n < 5; n++) expect((await auditor.get("/v1/audit/export")).status).toBe(200);
  for (const again of free.slice(1)) again();
});
