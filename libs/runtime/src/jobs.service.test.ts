import { createTestDatabase, type TestDatabase, testLogger } from "@medvault/testing";
import type pg from "pg";
import { Registry } from "prom-client";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { endJob, holdJob, takeJob } from "./job.store.ts";
import { dueSince, type Job } from "./job.ts";
import { createJobs, type Jobs, type JobsOptions } from "./jobs.service.ts";

let database: TestDatabase;
let pool: pg.Pool;
let metrics: Registry;
let log: ReturnType<typeof testLogger>;
const running: Jobs[] = [];
beforeAll(async () => {
  database = await createTestDatabase(["files"]);
  pool = database.pool("files");
});
afterAll(() => database.drop());
beforeEach(async () => {
  await pool.query("delete from jobs");
  metrics = new Registry();
  log = testLogger();
});
afterEach(async () => {
  for (const jobs of running.splice(0)) await jobs.stop();
});

/** The jobs of one process, started; another call is another process. */
function started(jobs: Job[], options: Partial<JobsOptions> = {}): Jobs {
  const logger = log as unknown as JobsOptions["logger"];
  const made = createJobs({ jobs, db: pool, logger, metrics: new Registry(), ...options });
  running.push(made);
  made.start();
  return made;
}

const LONG = 3_600_000;
const past = () => new Date(Date.now() - 1);

test("a job runs at once and again after its pause, never twice at a time", async () => {
  let runs = 0;
  let active = 0;
  let most = 0;
  const run = async () => {
    runs += 1;
    most = Math.max(most, ++active);
    await new Promise((resolve) => setTimeout(resolve, 30));
    active -= 1;
  };
  started([{ name: "sweep", every: 10, run }]);
  await expect.poll(() => runs).toBeGreaterThan(3);
  expect(most).toBe(1);
});

test("a run that fails is logged and counted, and the next one comes", async () => {
  let runs = 0;
  const run = async () => {
    runs += 1;
    if (runs === 1) throw new Error("the disk is full");
  };
  started([{ name: "sweep", every: 10, run }], { metrics });
  await expect.poll(() => runs).toBeGreaterThan(1);
  expect(log.lines).toMatchObject([{ level: "warn", fields: { job: "sweep" } }]);
  await expect.poll(() => metrics.metrics()).toContain('job_runs_total{job="sweep",outcome="done"}');
  const text = await metrics.metrics();
  expect(text).toContain('job_runs_total{job="sweep",outcome="failed"} 1');
  expect(text).toMatch(/job_last_success_timestamp_seconds\{job="sweep"\} \d{10}/);
});

test("of five processes one runs an exclusive job, once in its period, and how it ended is kept", async () => {
  let runs = 0;
  const counted = async () => {
    runs += 1;
  };
  const job: Job = { name: "turn", every: LONG, exclusive: true, run: counted };
  for (let i = 0; i < 5; i++) started([job]);
  const state = () => pool.query("select outcome, lease_owner, finished_at is not null as ended from jobs");
  await expect
    .poll(async () => (await state()).rows)
    .toEqual([{ outcome: "done", lease_owner: null, ended: true }]);
  expect(await takeJob(pool, job.name, "a sixth", dueSince(job, new Date()), 1_000)).toBeNull();
  expect(runs).toBe(1);
});

test("a process that was killed keeps its job from the others until its lease runs out, and no longer", async () => {
  await takeJob(pool, "turn", "killed", past(), 300);
  await pool.query("update jobs set started_at = started_at - interval '1 day'");
  let ranAt = 0;
  const takenAt = Date.now();
  const run = async () => {
    if (ranAt === 0) ranAt = Date.now();
  };
  started([{ name: "turn", every: 50, exclusive: true, run }]);
  await expect.poll(() => ranAt).toBeGreaterThan(0);
  expect(ranAt - takenAt).toBeGreaterThan(200);
});

test("a process that lost the lease is aborted, and cannot end or hold the job of the new holder", async () => {
  let aborted = false;
  const run: Job["run"] = ({ signal }) =>
    new Promise((resolve) => {
      signal.addEventListener("abort", () => {
        aborted = true;
        resolve();
      });
    });
  started([{ name: "turn", every: LONG, exclusive: true, run }], { leaseMs: 90 });
  await expect.poll(async () => (await pool.query("select from jobs")).rowCount).toBe(1);
  await pool.query(
    "update jobs set lease_owner = 'another', fence = fence + 1, lease_until = now() + '1 hour'",
  );
  await expect.poll(() => aborted).toBe(true);
  const stale = { job: "turn", owner: "another", fence: 1 };
  expect(await holdJob(pool, stale, 1_000)).toBe(false);
  await endJob(pool, stale, "done");
  const { rows } = await pool.query("select lease_owner, outcome from jobs");
  expect(rows).toEqual([{ lease_owner: "another", outcome: null }]);
});

test("a stop ends what runs, waits for it, and nothing begins afterwards", async () => {
  let state = "new";
  let runs = 0;
  const run: Job["run"] = async ({ signal }) => {
    runs += 1;
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    await new Promise((resolve) => setTimeout(resolve, 50));
    state = "ended";
  };
  const jobs = started([{ name: "sweep", every: 10, run }], { metrics });
  await jobs.stop();
  expect(state).toBe("ended");
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(runs).toBe(1);
  expect(await metrics.metrics()).toContain('job_runs_total{job="sweep",outcome="stopped"} 1');
});

test("a job by a pattern waits for its moment; a database that is away keeps an exclusive job from running", async () => {
  let runs = 0;
  const run = async () => {
    runs += 1;
  };
  const away = { query: () => Promise.reject(new Error("away")) } as unknown as JobsOptions["db"];
  started([{ name: "yearly", every: "0 0 1 1 *", run }]);
  started([{ name: "turn", every: 20, exclusive: true, run }], { db: away });
  await expect.poll(() => log.lines.length).toBeGreaterThan(1);
  expect(runs).toBe(0);
});
