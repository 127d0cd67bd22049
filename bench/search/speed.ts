import { type Ops, startSystem } from "../../e2e/support/system.ts";
import { type Asker, openAsker } from "../asker.ts";
import { Connection } from "../connection.ts";
import { cpuMs } from "../gateway/processes.ts";
import type { Finding } from "../rounds.ts";
import { type Corpus, corpusOf } from "./corpus.ts";
import { openSeeder, PER_PATIENT } from "./seed.ts";

const SIZES = [1_000, 10_000, 100_000, 1_000_000];
const PANEL = 2_000;
const TRIES = 200;
const P50_MS = 10;
const P99_MS = 40;

interface Kind {
  readonly name: string;
  readonly by: "admin" | "doctor";
  /** Another one at each try: nothing is answered from what was asked before. */
  body(corpus: Corpus): object;
}

const firstWord = (text: string): string => text.split(" ")[0] ?? "";
const rare = (corpus: Corpus) => firstWord(corpus.terms[2_000 + corpus.number(900)] ?? "");
const common = (corpus: Corpus) => firstWord(corpus.terms[corpus.number(5)] ?? "");
const year = (corpus: Corpus) => {
  const from = 2003 + corpus.number(22);
  return { from: `${from}-01-01`, to: `${from}-12-31` };
};

const KINDS: readonly Kind[] = [
  { name: "absent", by: "admin", body: (corpus) => ({ q: `xyzzy${corpus.number(1e6)}` }) },
  { name: "rare term", by: "admin", body: (corpus) => ({ q: rare(corpus) }) },
  { name: "common term", by: "admin", body: (corpus) => ({ q: common(corpus) }) },
  { name: "common word", by: "admin", body: () => ({ q: "tablet" }) },
  { name: "one letter", by: "admin", body: (corpus) => ({ q: "qzkfb"[corpus.number(5)] }) },
  {
    name: "two words",
    by: "admin",
    body: (corpus) => ({ q: `${corpus.name().familyName.slice(0, 3)} ${rare(corpus).slice(0, 4)}` }),
  },
  { name: "a year", by: "admin", body: (corpus) => ({ q: common(corpus), ...year(corpus) }) },
  { name: "one doctor, rare", by: "doctor", body: (corpus) => ({ q: rare(corpus) }) },
  {
    name: "one doctor, a year",
    by: "doctor",
    body: (corpus) => ({ q: common(corpus), ...year(corpus) }),
  },
];

/** Searches through the gateway, one after the other, at each size of the table up to `most`. */
export async function searchSpeed(most: number): Promise<Finding[]> {
  const system = await startSystem("bench-search", { env: { MEDVAULT_RATE_LIMIT: "1000000" } });
  try {
    const { ops } = system;
    const [admin, doctor] = [await openAsker(ops, "admin"), await openAsker(ops, "doctor")];
    const seeder = await openSeeder(ops, corpusOf(), doctor.id);
    try {
      const findings: Finding[] = [];
      let there = 0;
      for (const size of SIZES.filter((one) => one <= most)) {
        await seeder.add((size - there) / PER_PATIENT);
        there = size;
        await seeder.assign(doctor.id, PANEL);
        await seeder.settled();
        await Promise.all([admin.refresh(), doctor.refresh()]);
        for (const kind of KINDS) {
          findings.push(...(await measured(ops, size, kind, kind.by === "admin" ? admin : doctor)));
        }
      }
      return findings;
    } finally {
      await seeder.close();
    }
  } finally {
    await system.stop();
  }
}

async function measured(ops: Ops, size: number, kind: Kind, by: Asker): Promise<Finding[]> {
  const corpus = corpusOf(7);
  const connection = await Connection.open(by.port);
  const pid = ops.processes.find(({ name }) => name === "records")?.pid ?? 0;
  const ask = async () => {
    const status = await connection.send(
      by.request("POST", "/v1/prescriptions/search", JSON.stringify({ ...kind.body(corpus), limit: 20 })),
    );
    if (status !== 200) throw new Error(`a search (${kind.name}) was answered ${status}`);
  };
  for (let at = 0; at < TRIES / 10; at += 1) await ask();
  const cpuBefore = cpuMs(pid);
  const times: number[] = [];
  for (let at = 0; at < TRIES; at += 1) {
    const since = performance.now();
    await ask();
    times.push(performance.now() - since);
  }
  const cpu = (cpuMs(pid) - cpuBefore) / TRIES;
  connection.close();
  times.sort((a, b) => a - b);
  const at = (part: number) => times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0;
  const name = `search, ${kind.name}, of ${size.toLocaleString("en")}`;
  return [
    {
      name: `${name}: p50`,
      measured: at(0.5),
      unit: "ms",
      atMost: P50_MS,
      note: `processor time in records ${cpu.toFixed(1)} ms`,
    },
    { name: `${name}: p99`, measured: at(0.99), unit: "ms", atMost: P99_MS },
  ];
}
