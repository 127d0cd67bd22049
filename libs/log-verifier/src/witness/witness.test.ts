import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { entry, givenLog, plainProof } from "../../test/given-log.ts";
import { nodeEngine } from "../node/engine.mjs";
import { openCheckpoint, readKey } from "../note.mjs";
import { hashOf } from "./store.mjs";

const PROGRAM = new URL("../../../../tools/witness.mjs", import.meta.url).pathname;
type Log = Awaited<ReturnType<typeof givenLog>>;
let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "witness-"));
});
const running = new Set<ChildProcess>();
afterEach(() => {
  for (const child of running) child.kill("SIGKILL");
  running.clear();
});
afterAll(() => rm(dir, { recursive: true }));

/** The program; it ends, or says where it listens. */
async function start(log: Log, folder: string, ...more: string[]) {
  const args = ["--dir", folder, "--log", log.signer.vkey, "--listen", "127.0.0.1:0", "--json", ...more];
  const child = spawn(process.execPath, [PROGRAM, ...args]);
  running.add(child);
  let [out, err] = ["", ""];
  child.stderr.on("data", (text) => {
    err += text;
  });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  const said = new Promise<{ listening: string; vkey: string } | null>((resolve) => {
    child.stdout.on("data", (text) => {
      out += text;
      if (out.includes("\n")) resolve(JSON.parse(out.slice(0, out.indexOf("\n"))));
    });
    void ended.then(() => resolve(null));
  });
  const first = await said;
  return { child, ended, url: first?.listening ?? "", vkey: first?.vkey ?? "", err: () => err };
}
const given = async (log: Log, name: string) => await start(log, join(dir, name), "--name", `w.test/${name}`);

async function post(url: string, body: string) {
  const answer = await fetch(`${url}/add-checkpoint`, { method: "POST", body });
  return { status: answer.status, type: answer.headers.get("content-type"), text: await answer.text() };
}

/** What the log sends that was `old` entries long when it last asked. */
function request(log: Log, old: number): string {
  const proof = old === 0 ? [] : plainProof(old, log.leafHashes());
  return [`old ${old}`, ...proof.map((hash) => hash.toString("base64")), "", log.note].join("\n");
}

function grow(log: Log, size: number): Log {
  for (let index = log.entries.length; index < size; index += 1) log.entries.push(entry(index));
  log.publish();
  return log;
}

test("a witness cosigns a log that grows, and its cosignature is true", async () => {
  const log = await givenLog(3);
  const { url, vkey } = await given(log, "grows");
  const witness = await readKey(nodeEngine, vkey);
  for (const [old, size] of [
    [0, 3],
    [3, 3],
    [3, 8],
    [8, 600],
  ] as const) {
    const { status, text } = await post(url, request(grow(log, size), old));
    expect([size, status, text]).toEqual([size, 200, expect.stringMatching(/^— w.test\/grows \S+\n$/)]);
    const opened = await openCheckpoint(nodeEngine, log.note + text, log.key, log.key.name, [witness]);
    expect(opened.cosignatures).toHaveLength(1);
    expect(Math.abs((opened.cosignatures[0]?.at ?? 0) - Date.now() / 1_000)).toBeLessThan(60);
  }
  const kept = await fetch(`${url}/${await hashOf(log.key.name)}/checkpoint`);
  expect(await kept.text()).toContain("\n600\n");
  expect((await fetch(`${url}/${"0".repeat(64)}/checkpoint`)).status).toBe(404);
});

test("threat: a fork, a rollback, a false proof and a stranger's checkpoint are refused, by the codes of C2SP", async () => {
  const log = grow(await givenLog(0), 5);
  const other = await givenLog(5);
  const { url } = await given(log, "refuses");
  expect((await post(url, request(log, 0))).status).toBe(200);
  expect(await post(url, request(log, 0))).toEqual({ status: 409, type: "text/x.tlog.size", text: "5\n" });
  const forked = { ...log, note: log.checkpoint(other.leafHashes()) };
  expect((await post(url, request(forked as Log, 5))).status).toBe(422);
  const evidence = (await readdir(join(dir, "refuses/logs", await hashOf(log.key.name)))).filter((name) =>
    name.startsWith("evidence"),
  );
  expect(evidence).toHaveLength(1);
  const cut = { ...log, note: log.checkpoint(log.leafHashes().slice(0, 4)) };
  expect((await post(url, request(cut as Log, 5))).status).toBe(400);
  const good = request(grow(log, 9), 5);
  const lines = good.split("\n");
  expect((await post(url, [lines[0], lines[2], lines[1], ...lines.slice(3)].join("\n"))).status).toBe(422);
  expect((await post(url, [lines[0], ...lines.slice(2)].join("\n"))).status).toBe(422);
  expect((await post(url, good.replace("\n9\n", "\n10\n"))).status).toBe(403);
  expect((await post(url, request(other, 0))).status).toBe(403);
  expect((await post(url, good.replaceAll("example.test/audit", "example.test/other"))).status).toBe(404);
  for (const bad of [
    "",
    "old",
    "old -1\n\nx",
    "old 00\n\nx",
    good.replace("old 5", "old 5 "),
    good.replace("\n\n", "\n"),
  ])
    expect((await post(url, bad)).status, bad.slice(0, 20)).toBe(400);
  expect((await post(url, "a".repeat(70_000))).status).toBe(413);
  expect((await fetch(`${url}/add-checkpoint`)).status).toBe(404);
  expect((await post(url, good)).status).toBe(200);
});

test("threat: killed at any moment, it never cosigns less than what it has given out", async () => {
  const log = await givenLog(1);
  const folder = join(dir, "killed");
  let witness = await start(log, folder, "--name", "w.test/killed");
  expect((await post(witness.url, request(log, 0))).status).toBe(200);
  let given = 1;
  for (let round = 0; round < 4; round += 1) {
    const dying = setTimeout(() => witness.child.kill("SIGKILL"), 40 + 25 * round);
    for (let size = log.entries.length + 1; ; size += 1) {
      const answer = await post(witness.url, request(grow(log, size), given)).catch(() => null);
      if (answer === null) break;
      if (answer.status === 200) given = size;
      else if (answer.status === 409) given = Number(answer.text);
      else expect(answer.status).toBe(429);
    }
    clearTimeout(dying);
    await witness.ended;
    witness = await start(log, folder);
    const { status, text } = await post(witness.url, request(log, 0));
    expect(status).toBe(409);
    expect(Number(text)).toBeGreaterThanOrEqual(given);
    given = Number(text);
  }
});

test("threat: two processes over one folder cosign one history: the second is refused, and so is a lock's theft", async () => {
  const log = grow(await givenLog(0), 3);
  const first = await given(log, "twice");
  const second = await start(log, join(dir, "twice"));
  expect([await second.ended, second.err()]).toEqual([2, expect.stringContaining("another witness runs")]);
  await rm(join(dir, "twice/running"));
  const third = await start(log, join(dir, "twice"));
  const fork = await givenLog(3);
  const forked = { ...log, note: log.checkpoint(fork.leafHashes()) } as Log;
  const answers = await Promise.all([post(first.url, request(log, 0)), post(third.url, request(forked, 0))]);
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  expect((await post(first.url, request(grow(log, 4), 0))).status).toBe(409);
});

test("a start that cannot be believed is refused, and says why", async () => {
  const log = await givenLog(1);
  const nameless = await start(log, join(dir, "start"));
  expect([await nameless.ended, nameless.err()]).toEqual([2, expect.stringContaining("--name")]);
  const good = await given(log, "start");
  good.child.kill("SIGTERM");
  expect(await good.ended).toBe(0);
  const other = await start(log, join(dir, "start"), "--name", "w.test/else");
  expect([await other.ended, other.err()]).toEqual([2, expect.stringContaining("is called w.test/start")]);
  const open = await start(log, join(dir, "start"), "--listen", "0.0.0.0:0");
  expect([await open.ended, open.err()]).toEqual([2, expect.stringContaining("--tls-cert")]);
  await rm(join(dir, "start/witness.key"));
  const lost = await start(log, join(dir, "start"), "--name", "w.test/start");
  expect([await lost.ended, lost.err()]).toEqual([2, expect.stringContaining("has lost witness.key")]);
});
