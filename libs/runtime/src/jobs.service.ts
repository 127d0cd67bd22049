import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Db } from "@medvault/postgres";
import type { Logger } from "@medvault/service-kit";
import { Counter, Gauge, type Registry } from "prom-client";
import { endJob, holdJob, type JobLease, type JobOutcome, takeJob } from "./job.store.ts";
import { assertJobs, dueSince, type Job, waitMs } from "./job.ts";

const LEASE_MS = 30_000;
/** Node's timers hold at most 2^31 - 1 ms; a longer wait is waited in parts. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface JobsOptions {
  readonly jobs: readonly Job[];
  readonly db: Db;
  readonly logger: Logger;
  readonly metrics: Registry;
  /** How long a process that died keeps an exclusive job from the others; default 30,000. */
  readonly leaseMs?: number;
  readonly now?: () => Date;
}

export interface Jobs {
  start(): void;
  /** Aborts what runs, and resolves when it has ended. */
  stop(): Promise<void>;
}

/**
 * Runs declared jobs: one run of each at a time, the next after its pause or by its pattern. A run
 * that throws is logged and counted, and the next one comes. Throws RangeError for a bad job.
 */
export function createJobs(options: JobsOptions): Jobs {
  const { jobs, now = () => new Date() } = options;
  assertJobs(jobs);
  const stopping = new AbortController();
  const timers = new Map<Job, NodeJS.Timeout>();
  const running = new Set<Promise<void>>();
  const run = createRunner(options, stopping.signal);

  const begin = (job: Job): void => {
    const round = run(job).finally(() => {
      running.delete(round);
      wait(job, waitMs(job, now(), Math.random()));
    });
    running.add(round);
  };
  const wait = (job: Job, ms: number): void => {
    if (stopping.signal.aborted) return;
    const part = Math.min(ms, MAX_TIMER_MS);
    const timer = setTimeout(() => (part < ms ? wait(job, ms - part) : begin(job)), part);
    timers.set(job, timer.unref());
  };
  return {
    start() {
      for (const job of jobs) {
        if (job.atStart ?? typeof job.every === "number") begin(job);
        else wait(job, waitMs(job, now(), Math.random()));
      }
    },
    async stop() {
      stopping.abort();
      for (const timer of timers.values()) clearTimeout(timer);
      await Promise.all(running);
    },
  };
}

/** One run of a job, which never rejects. */
function createRunner(options: JobsOptions, stopping: AbortSignal): (job: Job) => Promise<void> {
  const { db, logger, now = () => new Date(), leaseMs = LEASE_MS } = options;
  const owner = `${hostname()}.${process.pid}.${randomUUID()}`;
  const measure = jobMetrics(options.metrics);

  async function attempt(job: Job, signal: AbortSignal): Promise<JobOutcome> {
    const startedMs = performance.now();
    let outcome: JobOutcome = "done";
    try {
      await job.run({ signal });
      if (signal.aborted) outcome = "stopped";
    } catch (err) {
      outcome = signal.aborted ? "stopped" : "failed";
      if (outcome === "failed") logger.warn({ err, job: job.name }, "a job failed; it runs again in time");
    }
    measure(job.name, outcome, performance.now() - startedMs);
    return outcome;
  }

  async function attemptByLease(job: Job): Promise<void> {
    let lease: JobLease | null;
    try {
      lease = await takeJob(db, job.name, owner, dueSince(job, now()), leaseMs);
    } catch (err) {
      return logger.warn({ err, job: job.name }, "the lease of a job could not be taken");
    }
    if (lease === null) return;
    const held = lease;
    const lost = new AbortController();
    const renewal = setInterval(() => {
      holdJob(db, held, leaseMs).then(
        (isOurs) => isOurs || lost.abort(),
        () => {}, // the lease runs out by itself if this goes on
      );
    }, leaseMs / 3).unref();
    try {
      const outcome = await attempt(job, AbortSignal.any([stopping, lost.signal]));
      await endJob(db, held, outcome).catch(() => {});
    } finally {
      clearInterval(renewal);
    }
  }

  return async (job) => {
    if (job.exclusive) await attemptByLease(job);
    else await attempt(job, stopping);
  };
}

function jobMetrics(registry: Registry): (job: string, outcome: JobOutcome, ms: number) => void {
  const registers = [registry];
  const runs = new Counter({
    name: "job_runs_total",
    help: "Runs of a job, by how they ended.",
    labelNames: ["job", "outcome"],
    registers,
  });
  const seconds = new Gauge({
    name: "job_last_run_seconds",
    help: "How long a job's last run took here.",
    labelNames: ["job"],
    registers,
  });
  const success = new Gauge({
    name: "job_last_success_timestamp_seconds",
    help: "When a job last ended well here, in seconds since 1970.",
    labelNames: ["job"],
    registers,
  });
  return (job, outcome, ms) => {
    runs.inc({ job, outcome });
    seconds.set({ job }, ms / 1000);
    if (outcome === "done") success.set({ job }, Date.now() / 1000);
  };
}
