import { randomUUID } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { nameText, type RowSearch, SearchIndex, searchWords, termText } from "@medvault/search";
import { type Finding, median } from "../rounds.ts";

const PATIENTS = 100_000;
const ROWS_PER_PATIENT = 10;
const TERMS = 3_000;
const PANEL = 2_000;
const SEARCHES_PER_ROUND = 5;
const MAX_MILLIS = 10;
const MAX_MB_PER_MILLION = 60;
const MIB = 1024 ** 2;

const SYLLABLES = "ma ri lo ken sa bru ti vo an el ski son dé ho chen ba qui ra fu na or win pet zu".split(
  " ",
);
const FORMS = ["oral tablet", "capsule", "injection", "topical cream"];

/**
 * The index alone in this process: 1,000,000 prescriptions of 100,000 patients and 3,000 terms, put
 * patient by patient in no order; then each kind of search, and what memory it takes. Times are of the
 * processor in this thread, which others on the machine lengthen least.
 */
export function searchInProcess(rounds: number): Finding[] {
  const random = numbersFrom(42);
  const word = (n: number): string => Array.from({ length: n }, () => pick(SYLLABLES, random())).join("");
  const names = Array.from({ length: PATIENTS }, () => [word(2), word(3)]);
  const medications = Array.from(
    { length: TERMS },
    (_, n) => `${word(3 + (n % 3))} ${5 * (1 + (n % 40))} mg ${FORMS[n % 4]}`,
  );
  const terms = medications.map((medication) => termText([medication, String(random()).slice(2, 9)]));
  const ids = names.map(() => randomUUID());

  const before = held();
  const index = new SearchIndex({ maxBytes: 1024 * MIB });
  let [longest, putting] = [0, 0];
  for (const [n, patientId] of ids.entries()) {
    const rows = Array.from({ length: ROWS_PER_PATIENT }, () => ({
      ...{
        id: randomUUID(),
        patientId,
        isDated: true,
        status: pick(["active", "stopped", "completed"], random()),
      },
      text: terms[Math.min(TERMS - 1, Math.floor(TERMS ** random()))] ?? null,
      startDate: new Date((10_000 + Math.floor(9_000 * random())) * 86_400_000).toISOString().slice(0, 10),
    }));
    const patient = { id: patientId, updatedAt: new Date(n), birthDate: "1970-01-01", fields: {} };
    const name = nameText(names[n] ?? []);
    const before = process.threadCpuUsage();
    index.putPatient({ ...patient, name }, rows);
    const { user, system } = process.threadCpuUsage(before);
    putting += user + system;
    longest = Math.max(longest, user + system);
  }
  const grown = held() - before;
  const megabytes = index.bytes / 1e6;
  const { set } = index.setOf(Buffer.from(ids.slice(0, PANEL).join("").replaceAll("-", ""), "hex"));

  const year = { from: "2012-01-01", to: "2012-12-31" };
  const common = terms[1]?.slice(0, 7) ?? "";
  const rare = terms[2_900]?.slice(0, 8) ?? "";
  const kinds: [string, string, Partial<RowSearch>][] = [
    ["absent", "xyzzyq", {}],
    ["absent, of letters that occur", "tablyq", {}],
    ["common word", "tablet", {}],
    ["common term", common, {}],
    ["rare term", rare, {}],
    ["part of a name", (names[500]?.join(" ") ?? "").slice(1, 7), {}],
    ["one letter, rare", "q", {}],
    ["one letter, common", "a", {}],
    ["two letters", "an", {}],
    ["name and term", `${names[500]?.[0]} ${common}`, {}],
    ["name and term that never meet", `${names[500]?.[1]} ${rare}`, {}],
    ["four words, each in many rows", "qui ski 195mg tablet", {}],
    ["one doctor, rare term", rare, { among: set }],
    ["one doctor, common term", common, { among: set }],
    ["one doctor, absent", "xyzzyq", { among: set }],
    ["one doctor, dated", common, { among: set, ...year }],
    ["dated, rare term", rare, year],
    ["of a status, one letter", "a", { status: "stopped" }],
  ];
  const findings = kinds.map(([name, q, more]): Finding => {
    const times: number[] = [];
    const waits: number[] = [];
    let found = 0;
    for (let n = 0; n < rounds * SEARCHES_PER_ROUND; n += 1) {
      const [begun, used] = [performance.now(), process.threadCpuUsage()];
      found = index.searchRows({
        words: searchWords(q),
        among: null,
        after: null,
        limit: 21,
        ...more,
      }).length;
      const { user, system } = process.threadCpuUsage(used);
      times.push((user + system) / 1_000);
      waits.push(performance.now() - begun);
    }
    times.sort((a, b) => a - b);
    const p99 = times[Math.floor(times.length * 0.99)] ?? 0;
    const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
    const note = `mean ${mean.toFixed(2)}; by the clock p50 ${median(waits).toFixed(2)}, least ${Math.min(...waits).toFixed(2)}; ${found} rows`;
    return {
      name: `search: ${name}`,
      measured: p99,
      unit: "ms",
      atMost: MAX_MILLIS,
      note,
    };
  });
  const note = `the process's typed arrays grew by ${(grown / 1e6).toFixed(1)}`;
  return [
    ...findings,
    {
      name: "search: memory, a million prescriptions",
      measured: megabytes,
      unit: "MB",
      atMost: MAX_MB_PER_MILLION,
      note,
    },
    { name: "search: putting them, all", measured: putting / 1_000, unit: "ms" },
    { name: "search: putting one patient, at the longest", measured: longest / 1_000, unit: "ms" },
  ];
}

/** What typed arrays take, without what the collector would give back. */
function held(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let n = 0; n < 3; n += 1) collect(); // buffers go a round later than what holds them
  return process.memoryUsage().arrayBuffers;
}

const pick = <T>(of: readonly T[], share: number): T => of[Math.floor(share * of.length)] as T;

/** Numbers from 0 to 1, the same each time (the generator of Numerical Recipes). */
function numbersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
