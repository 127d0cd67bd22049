import { type Finding, inTurns, median } from "../rounds.ts";
import { type Load, load, requestOf } from "./load.ts";
import { cpuMs, start } from "./processes.ts";
import { withGateway } from "./served.ts";

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
  const upstream = await start("upstream.ts");
  const origin = `http://127.0.0.1:${upstream.port}`;
  const bare = await start("bare-proxy.ts", origin);
  const settings = { MEDVAULT_RECORDS_URL: origin, MEDVAULT_RATE_LIMIT: "1000000000" };
  try {
    return await withGateway(settings, async ({ gateway, token }) => {
      const headers = {
        authorization: `Bearer ${token}`,
        accept: "application/json",
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
      };
      const request = requestOf("GET", PATH, headers);
      const run: Run = ({ port }, seconds, rate) =>
        load({
          ...{ port, request: () => request, connections: CONNECTIONS, seconds },
          ...(rate && { rate }),
        });
      return compare(bare, { pid: gateway.child.pid as number, port: gateway.port }, run, rounds);
    });
  } finally {
    bare.stop();
    upstream.stop();
  }
}

type Run = (contender: Contender, seconds: number, rate?: number) => Promise<Load>;

async function compare(bare: Contender, ours: Contender, run: Run, rounds: number): Promise<Finding[]> {
  await run(bare, WARM_UP_S);
  await run(ours, WARM_UP_S);
  const full = await inTurns(
    rounds,
    () => measured(bare, () => run(bare, ROUND_S)),
    () => measured(ours, () => run(ours, ROUND_S)),
  );
  const rate = Math.floor(median(full.map((pair) => pair.ours.perSecond)) * SHARE_FOR_LATENCY);
  const calm: [bare: Load, ours: Load][] = [];
  for (let round = 0; round < rounds; round++) {
    // Both at once: whatever else the machine does delays both equally.
    calm.push(await Promise.all([run(bare, ROUND_S, rate), run(ours, ROUND_S, rate)]));
  }
  const of = (side: "bare" | "ours", what: "perSecond" | "cpuMicros" | "p50Ms") =>
    median(full.map((pair) => pair[side][what]));
  return [
    {
      name: `an authenticated GET, ${CONNECTIONS} connections, requests a second, ours / bare`,
      measured: median(full.map((pair) => pair.ours.perSecond / pair.bare.perSecond)),
      unit: "ratio",
      atLeast: 0.6,
      note: `${of("ours", "perSecond").toFixed(0)} and ${of("bare", "perSecond").toFixed(0)} a second; processor ${of("ours", "cpuMicros").toFixed(0)} and ${of("bare", "cpuMicros").toFixed(0)} µs each`,
    },
    {
      name: `added at p50, ${CONNECTIONS} connections, ${rate} requests a second`,
      measured: median(calm.map(([theirs, mine]) => mine.p50Ms - theirs.p50Ms)),
      unit: "ms",
      atMost: 1.5,
      note: `p50 ${median(calm.map(([, mine]) => mine.p50Ms)).toFixed(2)} and ${median(calm.map(([theirs]) => theirs.p50Ms)).toFixed(2)} ms; at full load ${(of("ours", "p50Ms") - of("bare", "p50Ms")).toFixed(2)} ms added`,
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
