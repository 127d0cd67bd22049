import { spawnGateway } from "../../services/gateway/test/gateway-process.ts";
import { createHarness } from "../../services/gateway/test/harness.ts";
import { type Finding, median } from "../rounds.ts";
import { type Load, load } from "./load.ts";
import { cpuMs, type Started, start } from "./processes.ts";

const CONNECTIONS = 32;
const WARM_UP_S = 3;
const ROUND_S = 2;
/** Of what the gateway carries: a latency at the limit is only the queue's. */
const SHARE_FOR_LATENCY = 0.2;
const PATH = "/v1/records/01900000-0000-7000-8000-000000000001";

interface Contender {
  pid: number;
  port: number;
}

/**
 * An authenticated GET through the gateway and through a bare Express 5 + undici proxy to the same
 * upstream, in turns: requests a second with 32 connections; then at once, under a load that both
 * carry, what the gateway adds at p50.
 */
export async function throughput(rounds: number): Promise<Finding[]> {
  const harness = await createHarness();
  const upstream = await start("upstream.ts");
  let bare: Started | null = null;
  let stopGateway: (() => Promise<unknown>) | null = null;
  try {
    const origin = `http://127.0.0.1:${upstream.port}`;
    bare = await start("bare-proxy.ts", origin);
    const gateway = await spawnGateway(
      {
        ...harness.env,
        REDIS_URL: harness.redis.url,
        MEDVAULT_RECORDS_URL: origin,
        MEDVAULT_RATE_LIMIT: "1000000000",
      },
      { nodeArgs: (process.env.BENCH_NODE_ARGS ?? "").split(" ").filter(Boolean) },
    );
    stopGateway = () => gateway.stop();
    const doctor = await harness.signIn("doctor");
    const headers = {
      authorization: `Bearer ${doctor.token}`,
      accept: "application/json",
      "user-agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
    };
    const run = (contender: Contender, seconds: number, rate?: number) =>
      load({
        port: contender.port,
        path: PATH,
        headers,
        connections: CONNECTIONS,
        seconds,
        ...(rate ? { rate } : {}),
      });
    const ours = { pid: gateway.child.pid as number, port: gateway.port };
    return await compare(bare, ours, run, rounds);
  } finally {
    await stopGateway?.();
    bare?.stop();
    upstream.stop();
    await harness.close();
  }
}

type Run = (contender: Contender, seconds: number, rate?: number) => Promise<Load>;

async function compare(bare: Contender, ours: Contender, run: Run, rounds: number): Promise<Finding[]> {
  await run(bare, WARM_UP_S);
  await run(ours, WARM_UP_S);
  const full = await pairs(bare, ours, rounds, (contender) =>
    measured(contender, () => run(contender, ROUND_S)),
  );
  const rate = Math.floor(median(full.map(([, mine]) => mine.perSecond)) * SHARE_FOR_LATENCY);
  const calm: [bare: Load, ours: Load][] = [];
  for (let round = 0; round < rounds; round++) {
    // Both at once: whatever else the machine does delays both equally.
    calm.push(await Promise.all([run(bare, ROUND_S, rate), run(ours, ROUND_S, rate)]));
  }
  const of = (side: 0 | 1, what: "perSecond" | "cpuMicros" | "p50Ms") =>
    median(full.map((pair) => pair[side][what]));
  return [
    {
      name: `an authenticated GET, ${CONNECTIONS} connections, requests a second, ours / bare`,
      measured: median(full.map(([theirs, mine]) => mine.perSecond / theirs.perSecond)),
      unit: "ratio",
      atLeast: 0.6,
      note: `${of(1, "perSecond").toFixed(0)} and ${of(0, "perSecond").toFixed(0)} a second; processor ${of(1, "cpuMicros").toFixed(0)} and ${of(0, "cpuMicros").toFixed(0)} µs each`,
    },
    {
      name: `added at p50, ${CONNECTIONS} connections, ${rate} requests a second`,
      measured: median(calm.map(([theirs, mine]) => mine.p50Ms - theirs.p50Ms)),
      unit: "ms",
      atMost: 1.5,
      note: `p50 ${median(calm.map(([, mine]) => mine.p50Ms)).toFixed(2)} and ${median(calm.map(([theirs]) => theirs.p50Ms)).toFixed(2)} ms; at full load ${(of(1, "p50Ms") - of(0, "p50Ms")).toFixed(2)} ms added`,
    },
  ];
}

async function measured(
  contender: Contender,
  run: () => Promise<Load>,
): Promise<Load & { cpuMicros: number }> {
  const before = cpuMs(contender.pid);
  const found = await run();
  const requests = found.perSecond * ROUND_S;
  return { ...found, cpuMicros: ((cpuMs(contender.pid) - before) * 1_000) / requests };
}

/** Both in turns, in alternating order, so that both meet the same conditions. */
async function pairs<T>(
  bare: Contender,
  ours: Contender,
  rounds: number,
  run: (contender: Contender) => Promise<T>,
): Promise<[bare: T, ours: T][]> {
  const found: [T, T][] = [];
  for (let round = 0; round < rounds; round++) {
    const first = await run(round % 2 === 0 ? bare : ours);
    const second = await run(round % 2 === 0 ? ours : bare);
    found.push(round % 2 === 0 ? [first, second] : [second, first]);
  }
  return found;
}
