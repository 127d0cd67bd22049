import { setTimeout as delay } from "node:timers/promises";
import { ASSERTION_HEADER } from "@medvault/contracts";
import { listening, testAssertions } from "@medvault/testing";
import { startAudit } from "../../services/audit/test/harness.ts";
import { event } from "../../services/audit/test/log-harness.ts";
import { givenManyEntries } from "../../services/audit/test/many-entries.ts";
import { follow } from "../../services/audit/test/sse.ts";
import { cpuMicros, type Finding, growth } from "../rounds.ts";

const LISTENERS = 200;
const BATCHES = 40;
const PER_BATCH = 20;
/** Between two batches: 100 entries a second are 20,000 a second to all who listen. */
const PAUSE_MS = 200;
const WAIT_MS = 60_000;
const MIB = 1_048_576;

type Audit = Awaited<ReturnType<typeof startAudit>>;

/**
 * 200 streams of the log while it grows: what one entry takes until everyone has it, from the moment
 * that its producer sent it; what 200 cost more than one; and that nobody misses any.
 */
export async function listeners(): Promise<Finding[]> {
  const audit = await startAudit();
  try {
    const alone = await followed(audit, 1);
    const all = await followed(audit, LISTENERS);
    const told = `${LISTENERS} streams, ${BATCHES * PER_BATCH} entries`;
    return [
      { name: `audit-stream, ${told}, missed or doubled`, measured: all.wrong, unit: "count", atMost: 0 },
      {
        name: `audit-stream, ${told}, from the producer to a reader, p99`,
        measured: all.p99Ms,
        unit: "ms",
        atMost: 2_000,
      },
      {
        name: `audit-stream, ${told}, processor time of an entry to one reader more, with the reader's`,
        measured: (all.micros - alone.micros) / (BATCHES * PER_BATCH) / (LISTENERS - 1),
        unit: "µs",
        atMost: 200,
        note: `${(alone.micros / BATCHES / PER_BATCH).toFixed(0)} µs an entry from the queue to one reader`,
      },
    ];
  } finally {
    await audit.end();
  }
}

async function followed(audit: Audit, count: number) {
  const { rows } = await audit.superuser.query("select count(*)::int as n from log");
  const first: number = rows[0].n;
  const auditor = audit.as("auditor").actor;
  const readings = await Promise.all(Array.from({ length: count }, () => follow(audit.app, auditor)));
  const delays: number[] = [];
  for (const { res } of readings)
    res.on("data", (text: string) => {
      for (const [, time] of text.matchAll(/"time":"([^"]+)"/g))
        delays.push(Date.now() - Date.parse(time ?? ""));
    });
  const total = BATCHES * PER_BATCH;
  const micros = await cpuMicros(async () => {
    for (let batch = 0; batch < BATCHES; batch += 1) {
      const time = new Date().toISOString();
      await audit.send(
        ...Array.from({ length: PER_BATCH }, (_, at) => event(first + batch * PER_BATCH + at + 1, { time })),
      );
      await delay(PAUSE_MS);
    }
    const until = Date.now() + WAIT_MS;
    while (readings.some(({ indexes }) => indexes().length < total) && Date.now() < until) await delay(50);
  });
  const expected = Array.from({ length: total }, (_, at) => first + at).join();
  const wrong = readings.filter(({ indexes }) => indexes().join() !== expected).length;
  for (const reading of readings) reading.leave();
  return {
    wrong,
    micros,
    p99Ms: delays.sort((a, b) => a - b)[Math.floor(delays.length * 0.99)] ?? Number.NaN,
  };
}

/** What an export of `rows` entries makes the process grow, its reader included. */
export async function exportOf(rows: number): Promise<Finding[]> {
  const audit = await startAudit();
  try {
    await audit.writer.stop(); // what is put in here is in no tree
    await givenManyEntries(audit.superuser, rows);
    const { url } = await listening(audit.app);
    const read = async (from: number) => {
      const assertion = await (await testAssertions()).sign(audit.as("auditor").actor);
      const headers = { [ASSERTION_HEADER]: assertion };
      const answer = await fetch(`${url}/v1/audit/export?format=csv&after=${from}`, { headers });
      let lines = -1;
      for await (const chunk of answer.body ?? [])
        lines += Buffer.from(chunk).toString("latin1").split("\n").length - 1;
      return lines;
    };
    await read(rows - Math.min(rows, 20_000) - 1);
    const {
      result: lines,
      grownBytes,
      seconds,
    } = await growth(
      () => process.memoryUsage.rss(),
      () => read(-1),
    );
    if (lines !== rows) throw new Error(`${lines} of ${rows} entries were exported`);
    return [
      {
        name: `audit-stream, an export of ${rows} entries, how the process grows`,
        measured: grownBytes / MIB,
        unit: "MiB",
        atMost: 96,
        note: `${(rows / seconds).toFixed(0)} entries/s`,
      },
    ];
  } finally {
    await audit.end();
  }
}
