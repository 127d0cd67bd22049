import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { drainedEvents } from "@medvault/testing";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { events, type GivenLog, givenLog } from "../../test/log-harness.ts";
import { startWitness } from "../../test/witness-process.ts";
import { openCheckpoint, type SignedCheckpoint } from "../tree/checkpoint.ts";
import { cosign, cosignedNote, type Witnessed } from "./witness.service.ts";
import { listStandings } from "./witness.store.ts";
import { witnesses as setting, type Witness } from "./witness.ts";

let log: GivenLog;
let dir = "";
beforeAll(async () => {
  log = await givenLog();
  dir = await mkdtemp(join(tmpdir(), "witnesses-"));
}, 30_000);
beforeEach(async () => {
  await log.reset();
  await log.superuser.query("truncate witnesses, cosignatures");
});
afterAll(async () => {
  await log.end();
  await rm(dir, { recursive: true });
});

/** The log of `count` entries, published. */
async function grow(count: number): Promise<SignedCheckpoint> {
  const writer = await log.writing();
  await log.append(writer, events(count));
  const { rows } = await log.superuser.query("select count(*)::int as n from log");
  const note = await log.published(rows[0].n);
  await writer.stop();
  return openCheckpoint(note, log.signer.key, log.signer.origin) as SignedCheckpoint;
}

function given(list: readonly Witness[], quorum = list.length, now = () => new Date()) {
  const { pool, outside, signer } = log;
  const cosigning: Witnessed = { witnesses: list, quorum };
  return { pool, outside, signer, now, cosigning };
}
const witnessOf = (url: string, vkey: string) => (setting.parse(`${url} ${vkey}`) as Witness[])[0] as Witness;
const round = (context: ReturnType<typeof given>) => cosign(context, new AbortController().signal);
const told = async () =>
  (await drainedEvents(log.pool)).filter(({ type }) => type === "medvault.audit.witness.refused.v1");

/** The program that auditors run, over a folder of its own. */
async function witnessing(name: string) {
  const started = await startWitness(join(dir, name), log.signer.vkey, name);
  onTestFinished(started.kill);
  return { ...started, witness: witnessOf(started.url, started.vkey) };
}

/** A witness that answers as it is told, under the key of a real one. */
async function answering(vkey: string, listener: RequestListener) {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => server.closeAllConnections());
  return witnessOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, vkey);
}

test("witnesses cosign the log as it grows, and the note shows their lines", async () => {
  const [one, two] = [await witnessing("w.test/one"), await witnessing("w.test/two")];
  const context = given([one.witness, two.witness]);
  for (const count of [3, 300, 1]) {
    const checkpoint = await grow(count);
    await round(context);
    const note = await cosignedNote(context, checkpoint);
    expect(note.startsWith(checkpoint.note)).toBe(true);
    expect(note.slice(checkpoint.note.length)).toMatch(/^— w\.test\/one \S+\n— w\.test\/two \S+\n$/);
  }
  expect(await told()).toEqual([]);
});

test("the checkpoint that enough have cosigned is shown, until one behind it has waited a minute", async () => {
  const [one, two] = [await witnessing("w.test/three"), await witnessing("w.test/four")];
  const context = given([one.witness, two.witness], 2);
  const older = await grow(5);
  await round(context);
  await two.kill();
  const newer = await grow(5);
  await round(context);
  expect(await cosignedNote(context, newer)).toContain(older.note);
  const lines = (
    await cosignedNote({ ...context, cosigning: { ...context.cosigning, quorum: 1 } }, newer)
  ).slice(newer.note.length);
  expect(lines).toMatch(/^— w\.test\/three \S+\n$/);
  const later = given([one.witness, two.witness], 2, () => new Date(Date.now() + 61_000));
  expect((await cosignedNote(later, newer)).startsWith(newer.note)).toBe(true);
});

test("a witness that lost nothing while we did is asked again by its own word, and nobody waits for one that is away", async () => {
  const one = await witnessing("w.test/five");
  const context = given([one.witness]);
  await grow(5);
  await round(context);
  await log.superuser.query("truncate witnesses");
  const checkpoint = await grow(5);
  await round(context);
  expect(await cosignedNote(context, checkpoint)).toContain("— w.test/five");
  await one.kill();
  await grow(1);
  await round(context);
  expect(await told()).toEqual([]);
  const later = given([one.witness], 1, () => new Date(Date.now() + 11 * 60_000));
  await round(later);
  await round(later);
  expect((await told()).map(({ data }) => [data.decision.reason, data.details])).toEqual([
    ["witness_unreachable", { witness: "w.test/five", size: 11 }],
  ]);
  expect(await listStandings(log.pool)).toMatchObject([{ failingSince: expect.any(Date), told: true }]);
});

test("threat: a log that was rolled back, or rewritten under its own key, is refused by a witness, and an event says so", async () => {
  const one = await witnessing("w.test/six");
  const context = given([one.witness]);
  await grow(9);
  await round(context);
  await log.reset();
  await grow(4);
  await round(context);
  await grow(5);
  await round(context);
  await round(context);
  expect((await told()).map(({ data }) => data.decision.reason)).toEqual([
    "witness_ahead",
    "witness_disagrees",
  ]);
  await grow(1);
  await round(context);
  expect(await cosignedNote(context, await grow(1))).not.toContain("— w.test/six");
});

test("threat: false cosignatures, redirections, large answers and other keys' lines are not stored", async () => {
  const one = await witnessing("w.test/seven");
  await grow(2);
  const answers: RequestListener[] = [
    (_req, res) => void res.end(`— w.test/seven ${Buffer.alloc(76).toString("base64")}\n`),
    (_req, res) => void res.writeHead(307, { location: `${one.url}/add-checkpoint` }).end(),
    (_req, res) => void res.end("a".repeat(20_000)),
    (_req, res) => void res.end("— w.test/else AAAA\n"),
    (_req, res) => void res.writeHead(409).end("99999999999999999999"),
    (_req, res) => void res.writeHead(409).end("1\n"),
    (_req, res) => void res.destroy(),
  ];
  for (const listener of answers) await round(given([await answering(one.vkey, listener)]));
  expect((await log.superuser.query("select from cosignatures")).rowCount).toBe(0);
  expect(await listStandings(log.pool)).toMatchObject([{ name: "w.test/seven", size: 0 }]);
});

test("the setting takes https, or http on this machine, and keys of witnesses alone", async () => {
  const { vkey } = await witnessing("w.test/eight");
  expect(setting.safeParse(`https://w.test/a ${vkey}`).success).toBe(true);
  for (const bad of [
    `http://w.test ${vkey}`,
    `ftp://127.0.0.1 ${vkey}`,
    `https://w.test ${vkey},https://w.test ${vkey}`,
    `https://w.test ${log.signer.vkey}`,
    `https://w.test ${vkey.replace("eight", "nine")}`,
    `https://w.test`,
    "",
  ])
    expect(setting.safeParse(bad).success, bad).toBe(false);
});
