import { setTimeout as sleep } from "node:timers/promises";
import { type Ops, startSystem } from "../../e2e/support/system.ts";
import { load } from "../gateway/load.ts";
import { privateBytes, rssBytes, treeOf } from "../gateway/processes.ts";
import { type Finding, median } from "../rounds.ts";
import { type Contenders, withContenders } from "./contenders.ts";
import { metricsOf, type Shares, sumOf } from "./usage.ts";
import { mixed, PANEL } from "./works.ts";

const CONNECTIONS = 32;
const SAMPLE_MS = 5_000;
const WARM_UP_S = 20;
const DRAIN_MS = 60_000;
const MIB = 1024 ** 2;
/** Of the last third of the run over the third before it. */
const GROWTH_PERCENT = 5;

/** At one moment, in MiB by process; of servers what they do not share. */
interface Sample {
  readonly rss: Shares;
  readonly heap: Shares;
}

/**
 * Mixed requests at the rate that is reached with 32 at once, for so many minutes: whether memory
 * stays flat, whether every request is answered, and whether all that was waiting has gone on a
 * minute later. `say` is told each minute.
 */
export async function saturated(minutes: number, say: (text: string) => void): Promise<Finding[]> {
  const system = await startSystem("bench-saturated", { env: { MEDVAULT_RATE_LIMIT: "100000000" } });
  try {
    return await withContenders(system.ops, async (both) => {
      await both.panel(PANEL);
      await minuteOf(both, WARM_UP_S);
      const samples: Sample[] = [];
      const rounds: Minute[] = [];
      for (let minute = 1; minute <= minutes; minute += 1) {
        const round = await minuteOf(both, 60);
        rounds.push(round);
        samples.push(...round.samples);
        say(`minute ${minute}: ${told(round)}`);
      }
      return [
        ...growthOf(samples),
        {
          name: `saturated for ${minutes} minutes: requests that failed`,
          measured: rounds.reduce((sum, { failed }) => sum + failed, 0),
          ...{ unit: "count", atMost: 0 },
          note: `of ${rounds.reduce((sum, { count }) => sum + count, 0)}; ${median(rounds.map(({ perSecond }) => perSecond)).toFixed(0)}/s, p99 ${median(rounds.map(({ p99Ms }) => p99Ms)).toFixed(0)} ms`,
        },
        {
          name: "events and messages that wait a minute after it",
          ...{ measured: await leftWaiting(both), unit: "count", atMost: 0 },
        },
      ];
    });
  } finally {
    await system.stop();
  }
}

const least = (values: readonly number[]): number => Math.min(...values);

type Minute = Awaited<ReturnType<typeof minuteOf>>;

async function minuteOf({ ours, ops }: Contenders, seconds: number) {
  await ours.ready();
  const request = mixed();
  const options = { port: ours.port, request: () => request(ours), connections: CONNECTIONS, seconds };
  const samples: Sample[] = [];
  const end = new AbortController();
  const [found] = await Promise.all([
    load({ ...options, bearsFailures: true }).finally(() => end.abort()),
    (async () => {
      while (!end.signal.aborted) {
        samples.push(await sampleOf(ops));
        await sleep(SAMPLE_MS, undefined, { signal: end.signal }).catch(() => undefined);
      }
    })(),
  ]);
  return { ...found, samples };
}

async function sampleOf(ops: Ops): Promise<Sample> {
  const metrics = await Promise.all(ops.processes.map(metricsOf));
  const heap = ops.processes.map(
    ({ name }, at) => [name, sumOf(metrics[at] ?? "", "nodejs_heap_size_used_bytes") / MIB] as const,
  );
  const services = ops.processes.map(({ name, pid }) => [name, rssBytes(pid) / MIB] as const);
  const servers = { postgres: ops.postgres.pid, rabbitmq: ops.rabbitmq.pid, redis: ops.redis.pid };
  const trees = Object.entries(servers).map(
    ([name, pid]) => [name, treeOf(pid).reduce((sum, one) => sum + privateBytes(one), 0) / MIB] as const,
  );
  return { rss: Object.fromEntries([...services, ...trees]), heap: Object.fromEntries(heap) };
}

/**
 * Of the services: what servers hold is bounded by their settings. A heap is as large as it was at
 * its least, after a collection.
 */
function growthOf(samples: readonly Sample[]): Finding[] {
  const third = Math.floor(samples.length / 3);
  const [second, last] = [samples.slice(third, 2 * third), samples.slice(2 * third)];
  const sizes = (of: readonly Sample[], what: keyof Sample, name: string) =>
    (what === "rss" ? median : least)(of.map((sample) => sample[what][name] ?? 0));
  const finding = (what: keyof Sample): Finding => {
    const growths = Object.keys(samples[0]?.heap ?? {}).map((name) => {
      const [before, after] = [sizes(second, what, name), sizes(last, what, name)];
      return { name, before, after, percent: (100 * (after - before)) / before };
    });
    return {
      name: `saturated: growth of the last third, ${what === "rss" ? "resident memory" : "heap"}, most of any service`,
      measured: Math.max(...growths.map(({ percent }) => percent)),
      ...{ unit: "%", atMost: GROWTH_PERCENT },
      note: growths
        .map(({ name, before, after }) => `${name} ${before.toFixed(0)} → ${after.toFixed(0)}`)
        .join(", ")
        .concat(" MiB"),
    };
  };
  return [finding("rss"), finding("heap")];
}

/** Events in outboxes and messages in queues, once there are none, else after a minute. */
async function leftWaiting({ ops, meter }: Contenders): Promise<number> {
  const management = new URL("/api/queues", ops.rabbitmq.managementUrl);
  const credentials = `${decodeURIComponent(management.username)}:${decodeURIComponent(management.password)}`;
  const headers = { authorization: `Basic ${Buffer.from(credentials).toString("base64")}` };
  [management.username, management.password] = ["", ""];
  const outboxes = Object.keys(ops.postgres.services).map(
    (service) => `select count(*)::int as waiting from ${service}_sys.outbox`,
  );
  const end = performance.now() + DRAIN_MS;
  while (true) {
    const { rows } = await meter.postgres.query<{ waiting: number }>(outboxes.join(" union all "));
    const queues = (await (await fetch(management, { headers })).json()) as { messages?: number }[];
    const waiting = [...rows.map((row) => row.waiting), ...queues.map(({ messages }) => messages ?? 0)];
    const left = waiting.reduce((sum, one) => sum + one, 0);
    if (left === 0 || performance.now() > end) return left;
    await sleep(1_000);
  }
}

function told({ perSecond, p99Ms, samples }: Minute): string {
  const last = samples.at(-1);
  const sizes = Object.entries(last?.rss ?? {}).map(([name, rss]) => {
    const heap = last?.heap[name];
    return `${name} ${rss.toFixed(0)}${heap === undefined ? "" : ` (heap ${heap.toFixed(0)})`}`;
  });
  return `${perSecond.toFixed(0)}/s, p99 ${p99Ms.toFixed(0)} ms; MiB: ${sizes.join(", ")}`;
}
