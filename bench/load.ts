import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { load, requestOf } from "./gateway/load.ts";
import { treeCpuMs } from "./gateway/processes.ts";
import { median } from "./rounds.ts";

const HELP = `node bench/load.ts --port 8103 --path /fhir/R4/Observation/1 [--method GET] [--body file.json]
  [--header "authorization: Bearer …"]... [--connections 16] [--seconds 4] [--rounds 3] [--pid 123]...

One request, again and again over kept-alive connections to 127.0.0.1, by the client of \`npm run bench\`:
requests a second, p50, p99, and the processor time of the processes --pid with all that they started.
`;

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "" },
    path: { type: "string", default: "" },
    method: { type: "string", default: "GET" },
    body: { type: "string" },
    header: { type: "string", multiple: true, default: [] },
    connections: { type: "string", default: "16" },
    seconds: { type: "string", default: "4" },
    rounds: { type: "string", default: "3" },
    pid: { type: "string", multiple: true, default: [] },
  },
});

async function main(): Promise<number> {
  const [port, connections, seconds, rounds] = [
    values.port,
    values.connections,
    values.seconds,
    values.rounds,
  ].map(Number) as [number, number, number, number];
  if (![port, connections, seconds, rounds].every((one) => one > 0) || values.path === "") {
    process.stderr.write(HELP);
    return 2;
  }
  const headers = Object.fromEntries(
    values.header.map((one) => {
      const at = one.indexOf(":");
      return [one.slice(0, at).trim().toLowerCase(), one.slice(at + 1).trim()];
    }),
  );
  const request = requestOf(
    values.method,
    values.path,
    headers,
    values.body === undefined ? "" : readFileSync(values.body),
  );
  const cpu = () => values.pid.reduce((sum, pid) => sum + treeCpuMs(Number(pid)), 0);
  const run = async (forSeconds: number) => {
    const before = cpu();
    const found = await load({ port, request: () => request, connections, seconds: forSeconds });
    return { ...found, cpuMs: (cpu() - before) / found.count };
  };
  await run(seconds / 2);
  const all: Awaited<ReturnType<typeof run>>[] = [];
  for (let round = 0; round < rounds; round += 1) all.push(await run(seconds));
  const of = (what: "perSecond" | "p50Ms" | "p99Ms" | "cpuMs") => median(all.map((one) => one[what]));
  console.log(
    `${of("perSecond").toFixed(0)}/s, p50 ${of("p50Ms").toFixed(1)}, p99 ${of("p99Ms").toFixed(1)} ms, ${of("cpuMs").toFixed(2)} ms of processor`,
  );
  return 0;
}

process.exitCode = await main();
