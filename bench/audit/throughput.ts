import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { AUDIT_QUEUE, connectBroker } from "@medvault/messaging";
import type { HeldConsumer } from "@medvault/runtime";
import { createTestBroker, createTestDatabase, startTestService, testLogger } from "@medvault/testing";
import pg from "pg";
import type { Context } from "../../services/audit/src/context.ts";
import { logConsumers } from "../../services/audit/src/log/log.consumers.ts";
import { service } from "../../services/audit/src/service.ts";
import { type Finding, median } from "../rounds.ts";
import { drainBare } from "./bare-consumer.ts";
import { type Sent, send } from "./load.ts";

const PER_SECOND = 5_000;
const MAX_SECONDS = 60;
/** In which ours and a bare consumer take turns. */
const ROUNDS = 5;
const BURST = 10_000;
const SEEN_EVERY_MS = 20;

/**
 * The log under load, with its jobs and all rules of alerts on: `seconds` at 5,000 events a second
 * from the queue to the signed tree; how soon an event is found by a query; and how fast a backlog
 * goes beside a bare consumer that inserts batches. Sender and log share this process.
 */
export async function throughput(most: number): Promise<Finding[]> {
  const seconds = Math.min(MAX_SECONDS, Math.ceil(most / PER_SECOND));
  const running = await startLog();
  try {
    const ratios: number[] = [];
    const rates: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const ours = await running.drainOurs(BURST);
      const bare = await running.drainBare(BURST);
      ratios.push(bare / ours);
      rates.push(BURST / ours);
    }
    const steady = await running.steady(seconds * PER_SECOND);
    return [
      {
        name: "audit-throughput, backlog from queue to log, beside bare consumption with batch INSERT",
        measured: median(ratios),
        unit: "ratio",
        atLeast: 0.25,
        note: `${Math.round(median(rates))} events/s`,
      },
      {
        name: `audit-throughput, from queue to log, ${seconds} s at ${PER_SECOND}/s`,
        measured: steady.perSecond,
        unit: "/s",
        // The last ones are on their way when the sending ends.
        atLeast: PER_SECOND * (seconds / (seconds + 1)),
        note: `processor time of log and sender ${Math.round(steady.cpuShare * 100)}% of one core`,
      },
      {
        name: "audit-throughput, until the last event is under a signed checkpoint",
        measured: steady.signedMs,
        unit: "ms",
        atMost: 5_000,
      },
      {
        name: "audit-throughput, until an event is found by a query, p99",
        measured: steady.seenP99Ms,
        unit: "ms",
        atMost: 2_000,
        note: `p50 ${Math.round(steady.seenP50Ms)} ms`,
      },
    ];
  } finally {
    await running.end();
  }
}

async function startLog() {
  const [database, rabbit] = [await createTestDatabase(["audit"]), await createTestBroker()];
  const dir = await mkdtemp(path.join(tmpdir(), "medvault-bench-audit-"));
  const logger = testLogger();
  const broker = connectBroker({ url: rabbit.url("audit"), logger });
  const sender = connectBroker({ url: rabbit.url("records"), logger });
  const queue = Promise.withResolvers<HeldConsumer>();
  const switched: typeof service = {
    ...service,
    consumers: (context) =>
      logConsumers(context).map((one) => ({
        ...one,
        held: (consumer) => {
          queue.resolve(consumer);
          one.held?.(consumer);
        },
      })),
  };
  const { context, pool, close } = await startTestService(switched, {
    ...{ database, broker },
    env: {
      ...{ MEDVAULT_AUDIT_DIR: dir, MEDVAULT_AUTH_URL: "http://127.0.0.1:1" },
      MEDVAULT_RECORDS_URL: "http://127.0.0.1:1",
    },
  });
  const consumer = await queue.promise;
  const superuser = new pg.Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  await superuser.query("create table audit.bare_events (id uuid primary key, event json not null)");
  await superuser.query("grant insert on audit.bare_events to medvault_audit");
  await until(async () => context.writer.state().phase === "writing" && sender.state() === "connected");
  const channel = await sender.createConfirmChannel();
  const stopJobs = runJobs(context);
  const numberOf = async (sql: string) => Number((await pool.query<{ n: number }>(sql)).rows[0]?.n);
  const logged = () => numberOf("select coalesce(max(idx) + 1, 0) as n from log");
  const signed = () => numberOf("select coalesce(max(size), 0) as n from checkpoints");

  return {
    /** Seconds from the first message of a full queue to the last event in the log. */
    async drainOurs(count: number): Promise<number> {
      await consumer.stop();
      const before = await logged();
      await send(channel, count, null);
      const began = performance.now();
      consumer.start();
      await until(async () => (await logged()) >= before + count);
      return (performance.now() - began) / 1_000;
    },
    async drainBare(count: number): Promise<number> {
      await consumer.stop();
      await send(channel, count, null);
      return drainBare(broker, pool, AUDIT_QUEUE, count);
    },
    async steady(count: number) {
      consumer.start();
      const before = await logged();
      const waiting: Promise<number>[] = [];
      const cpu = process.cpuUsage();
      const began = performance.now();
      await send(channel, count, PER_SECOND, (sent) => void waiting.push(seen(pool, sent)));
      await until(async () => (await logged()) >= before + count);
      const seconds = (performance.now() - began) / 1_000;
      await until(async () => (await signed()) >= before + count);
      const signedMs = performance.now() - began - seconds * 1_000;
      const { user, system } = process.cpuUsage(cpu);
      const times = (await Promise.all(waiting)).sort((a, b) => a - b);
      return {
        perSecond: count / seconds,
        signedMs,
        cpuShare: (user + system) / 1e6 / seconds,
        seenP50Ms: median(times),
        seenP99Ms: times[Math.ceil(times.length * 0.99) - 1] ?? Number.NaN,
      };
    },
    async end(): Promise<void> {
      await stopJobs();
      await close();
      await Promise.all([broker.close(), sender.close(), superuser.end()]);
      await Promise.all([database.drop(), rabbit.close(), rm(dir, { recursive: true, force: true })]);
    },
  };
}

/** How long after it was sent an event is found. */
async function seen(pool: pg.Pool, { id, at }: Sent): Promise<number> {
  await until(async () => (await pool.query("select from log where id = $1", [id])).rowCount === 1);
  return performance.now() - at;
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await delay(SEEN_EVERY_MS);
}

/** The jobs of the service, as its runtime runs them: the rules of alerts are one. */
function runJobs(context: Context): () => Promise<unknown> {
  const stop = new AbortController();
  const { signal } = stop;
  const loops = (service.jobs?.(context) ?? []).map(async ({ every, run }) => {
    while (!signal.aborted && typeof every === "number") {
      await run({ signal }).catch(() => {});
      await delay(every, undefined, { signal }).catch(() => {});
    }
  });
  return () => {
    stop.abort();
    return Promise.all(loops);
  };
}
