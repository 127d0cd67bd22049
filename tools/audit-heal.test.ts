import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createTestDatabase, type TestDatabase } from "@medvault/testing";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { events, type GivenLog, givenLog, ORIGIN } from "../services/audit/test/log-harness.ts";
import { type KeysPlace, makeKeysPlace } from "./test/harness.ts";

// Each command is a process of its own, which on a busy machine takes seconds to begin.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });
const SIZE = 300;
const FILE = path.resolve(import.meta.dirname, "audit-heal.ts");

let database: TestDatabase;
let place: KeysPlace;
let log: GivenLog;
beforeAll(async () => {
  database = await createTestDatabase(["audit"]);
  place = await makeKeysPlace(database, ["audit"]);
  log = await givenLog(database, await place.keyringOf("audit"));
  Object.assign(place.env, {
    MEDVAULT_OWNER_DATABASE_URL: database.ownerUrl,
    MEDVAULT_AUDIT_ORIGIN: ORIGIN,
    NODE_ENV: "test",
  });
});
beforeEach(async () => {
  await log.reset();
  place.env.MEDVAULT_AUDIT_DIR = log.dir;
  const writer = await log.writing();
  await log.append(writer, events(SIZE));
  await log.published(SIZE);
  await writer.stop();
});
afterAll(async () => {
  await log?.end();
  await database?.drop();
  await place?.remove();
});

const damage = (sql: string) => log.superuser.query(sql);

/** The tool as an operator runs it, who types `word` when it asks. */
function begin(word: string, ...args: string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const flags = ["--disable-warning=ExperimentalWarning", FILE, ...args];
  const child = spawn(process.execPath, flags, { env: { PATH: process.env.PATH, ...place.env } });
  let out = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
  child.stdin.end(`${word}\n`);
  return { child, ended: once(child, "close").then(([code]) => ({ code: code as number | null, out })) };
}
interface Ended {
  readonly code: number | null;
  readonly out: string;
}
const run = (word: string, ...args: string[]) => begin(word, ...args).ended;

test("it says what it would do and does nothing; with --act it asks for a word, and does it", async () => {
  expect(await run("")).toMatchObject({
    code: 0,
    out: expect.stringContaining("Nothing is wrong with the 300 entries."),
  });
  await damage("update log set actor_id = 'x' where idx in (7, 8)");
  await damage("delete from log where idx = 20");
  const said = /2 rows that were changed.* \(7 to 8\)[\s\S]*1 rows that are gone.* \(20\)/;
  const plan = await run("");
  expect(plan).toMatchObject({ code: 1, out: expect.stringMatching(said) });
  expect(plan.out).toContain("Nothing was changed.");
  expect(await run("yes", "--act")).toMatchObject({
    code: 2,
    out: expect.stringContaining("nothing was changed"),
  });
  expect(await log.verify()).toMatchObject({ ok: false });
  const done = await run("heal", "--act");
  expect(done).toMatchObject({ code: 0, out: expect.stringContaining("The log is healed: 300 entries") });
  expect(await log.verify()).toMatchObject({ ok: true });
});

test("while an audit service has the log it is refused", async () => {
  await damage("update log set actor_id = 'x' where idx = 7");
  await log.writing({ leaseMs: 60_000 });
  expect(await run("heal", "--act")).toMatchObject({
    code: 1,
    out: expect.stringContaining("stop all audit services"),
  });
});

test("killed with SIGKILL in the middle, it goes on when it is run again", async () => {
  await damage("update log set actor_id = 'x' where idx in (7, 290)");
  await damage("delete from log where idx = 20");
  // It has taken out what was changed, and waits for a lock before it puts back what is missing.
  await damage("begin; lock table log_counts");
  const { child, ended } = begin("heal", "--act");
  await vi.waitFor(
    async () => {
      await damage("select pg_stat_clear_snapshot()"); // else a transaction sees what it saw first
      const { rowCount } = await damage(
        "select from pg_stat_activity where application_name = 'medvault-audit-heal' and wait_event_type = 'Lock'",
      );
      expect(rowCount).toBeGreaterThan(0);
    },
    { timeout: 60_000, interval: 50 },
  );
  child.kill("SIGKILL");
  expect((await ended).code).toBeNull();
  await damage("rollback");
  await vi.waitFor(async () => expect(await run("heal", "--act")).toMatchObject({ code: 0 }), 120_000);
  expect(await log.verify()).toMatchObject({ ok: true });
  const { rows } = await damage("select done_at is not null as done from healings order by begun_at");
  expect(rows.at(-1)).toEqual({ done: true });
});
