import { createPool, createReader, createReplicaPool, type Db } from "@medvault/postgres";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type OwnPostgres, withPostgres } from "./own-postgres.ts";
import { type Standby, startStandby } from "./standby.ts";

const ended = Promise.withResolvers<void>();
let running: Promise<void>;
let own: OwnPostgres;
let standby: Standby;
let primary: pg.Pool;
let replica: pg.Pool;
let reader: Db;
let superuser: pg.Client;

beforeAll(async () => {
  const started = Promise.withResolvers<void>();
  running = withPostgres("test-replica", { say: () => {} }, async (one) => {
    own = one;
    const url = own.url.replace(/medvault$/, "postgres");
    superuser = await connected(url);
    await superuser.query("create database medvault");
    standby = await startStandby(own);
    primary = createPool({ connectionString: own.url, applicationName: "test" });
    replica = createReplicaPool({ connectionString: standby.url, applicationName: "test", prepared: true });
    reader = createReader(primary, replica);
    await primary.query("create table rows (n int)");
    started.resolve();
    await ended.promise;
  });
  await Promise.race([started.promise, running]);
}, 120_000);
afterAll(async () => {
  await Promise.all([primary?.end(), replica?.end(), superuser?.end()]);
  ended.resolve();
  await running;
});

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  return client;
}

/** The newest number, and where it was read. */
async function read(): Promise<[n: number, isReplica: boolean]> {
  const { rows } = await reader.query<{ n: number; isReplica: boolean }>(
    `select coalesce(max(n), 0) as n, pg_is_in_recovery() as "isReplica" from rows where n > $1`,
    [0],
  );
  return [rows[0]?.n ?? -1, rows[0]?.isReplica ?? false];
}

let last = 0;
async function write(): Promise<number> {
  last += 1;
  await primary.query("insert into rows values ($1)", [last]);
  return last;
}

test("what was written is read at once, mostly by the replica", async () => {
  let byReplica = 0;
  for (let i = 0; i < 50; i++) {
    const n = await write();
    const [found, isReplica] = await read();
    expect(found).toBe(n);
    byReplica += isReplica ? 1 : 0;
  }
  expect(byReplica).toBeGreaterThan(0);
});

test("threat: someone who was taken from a care team sees nothing by a replica that is behind: the primary answers", async () => {
  const follower = await connected(standby.url);
  await follower.query("select pg_wal_replay_pause()");
  for (let i = 0; i < 3; i++) {
    const n = await write();
    expect(await read()).toEqual([n, false]);
  }
  await follower.query("select pg_wal_replay_resume()");
  await expect.poll(read).toEqual([last, true]);
  await follower.end();
});

test("a statement that a migration made outdated is answered by the primary, and prepared again", async () => {
  const all = () =>
    reader.query<{ at: boolean }>("select *, pg_is_in_recovery() as at from rows where n > $1", [0]);
  await expect.poll(async () => (await all()).rows[0]?.at).toBe(true);
  await primary.query("alter table rows add column note text");
  await all();
  await expect.poll(async () => (await all()).rows[0]?.at).toBe(true);
});

test("a replica that freezes under load costs no request more than its limit, and fails none", async () => {
  await expect.poll(read).toEqual([last, true]);
  const { pid } = standby.server.id ?? { pid: 0 };
  const { rows } = await replica.query<{ pid: number }>("select pg_backend_pid() as pid");
  process.kill(rows[0]?.pid ?? pid, "SIGSTOP");
  process.kill(pid, "SIGSTOP");
  try {
    const answers = await Promise.all(Array.from({ length: 30 }, read));
    expect(answers.every(([n]) => n === last)).toBe(true);
  } finally {
    process.kill(rows[0]?.pid ?? pid, "SIGCONT");
    process.kill(pid, "SIGCONT");
  }
});

test("a replica that is killed under load fails no request; another in its place is used again", async () => {
  let stop = false;
  const seen: boolean[] = [];
  const readers = Array.from({ length: 8 }, async () => {
    while (!stop) {
      const [n, isReplica] = await read();
      expect(n).toBe(last);
      seen.push(isReplica);
    }
  });
  const before = standby.server.id?.pid;
  process.kill(before ?? 0, "SIGKILL"); // its supervisor starts it again
  await expect.poll(() => seen.includes(false)).toBe(true);
  stop = true;
  await Promise.all(readers);
  await expect.poll(read, { timeout: 30_000 }).toEqual([last, true]);
});

test("threat: a replica that was promoted, and follows no more, is not read", async () => {
  const follower = await connected(standby.url);
  await follower.query("select pg_promote()");
  await follower.query("insert into rows values (1000000)");
  await follower.end();
  expect(await read()).toEqual([last, false]);
});
