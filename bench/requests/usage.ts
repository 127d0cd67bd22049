import { Redis } from "ioredis";
import pg from "pg";
import type { Ops } from "../../e2e/support/system.ts";
import { cpuMs, treeCpuMs, treeOf, writtenBytes } from "../gateway/processes.ts";

/** What something took, or everything so far, by process or service. */
export type Shares = Readonly<Record<string, number>>;

/** Of the machine, so far. */
export interface Usage {
  /** Processor time in ms: of each service, each server with its processes, and the bare service. */
  readonly cpuMs: Shares;
  /** Of that, collecting garbage. */
  readonly gcMs: Shares;
  /** Requests that each service was sent. */
  readonly http: Shares;
  readonly redisCommands: number;
  readonly walBytes: number;
  /** To disks. */
  readonly writtenBytes: Shares;
}

export interface Meter {
  read(): Promise<Usage>;
  /** As the superuser. */
  readonly postgres: pg.Client;
  close(): Promise<void>;
}

export async function openMeter(ops: Ops, bare: number): Promise<Meter> {
  const postgres = new pg.Client({ connectionString: ops.postgres.superuser });
  await postgres.connect();
  const redis = new Redis(ops.redis.url);
  const servers = { postgres: ops.postgres.pid, rabbitmq: ops.rabbitmq.pid, redis: ops.redis.pid };
  const all = [...ops.processes.map(({ name, pid }) => [name, pid] as const), ...Object.entries(servers)];
  const ofEach = (of: (pid: number) => number): Shares =>
    Object.fromEntries(all.map(([name, pid]) => [name, of(pid)]));
  return {
    postgres,
    async read() {
      const metrics = await Promise.all(ops.processes.map(metricsOf));
      const of = (name: string) =>
        Object.fromEntries(ops.processes.map((one, at) => [one.name, sumOf(metrics[at] ?? "", name)]));
      const { rows } = await postgres.query<{ at: string }>(
        "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') as at",
      );
      return {
        gcMs: inMs(of("nodejs_gc_duration_seconds_sum")),
        http: of("http_request_duration_seconds_count"),
        redisCommands: await redisCommands(redis),
        walBytes: Number(rows[0]?.at),
        writtenBytes: ofEach((pid) => treeOf(pid).reduce((sum, one) => sum + writtenBytes(one), 0)),
        cpuMs: { ...ofEach(treeCpuMs), bare: cpuMs(bare) },
      };
    },
    async close() {
      redis.disconnect();
      await postgres.end();
    },
  };
}

/** What was used between two readings, for each of `count`. */
export function usedBetween(before: Usage, after: Usage, count: number): Usage {
  const each = (was: Shares, is: Shares): Shares =>
    Object.fromEntries(Object.entries(is).map(([name, value]) => [name, (value - (was[name] ?? 0)) / count]));
  return {
    cpuMs: each(before.cpuMs, after.cpuMs),
    gcMs: each(before.gcMs, after.gcMs),
    http: each(before.http, after.http),
    redisCommands: (after.redisCommands - before.redisCommands) / count,
    walBytes: (after.walBytes - before.walBytes) / count,
    writtenBytes: each(before.writtenBytes, after.writtenBytes),
  };
}

const inMs = (seconds: Shares): Shares =>
  Object.fromEntries(Object.entries(seconds).map(([name, value]) => [name, value * 1_000]));

export async function metricsOf({ adminPort }: { adminPort: number }): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${adminPort}/metrics`);
  if (!answer.ok) throw new Error(`metrics were answered ${answer.status}`);
  return answer.text();
}

/** Over all labels. */
export function sumOf(metrics: string, name: string): number {
  const values = metrics.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, "gm"));
  return [...values].reduce((sum, [, value]) => sum + Number(value), 0);
}

/** Those that services send for a request, and in its place; not what looks at the connection. */
async function redisCommands(redis: Redis): Promise<number> {
  const calls = (await redis.info("commandstats")).matchAll(/^cmdstat_(\w+).*?:calls=(\d+)/gm);
  return [...calls].reduce(
    (sum, [, name, count]) => sum + (/^(info|ping)$/.test(name ?? "") ? 0 : Number(count)),
    0,
  );
}
