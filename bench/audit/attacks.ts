import { randomInt } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { CloudEvent, newId } from "@medvault/contracts";
import { signingKey, tableKey } from "@medvault/keys";
import { inTransaction } from "@medvault/postgres";
import { createTestDatabase, testKeyring, testLogger } from "@medvault/testing";
import pg from "pg";
import type { LogContext } from "../../services/audit/src/context.ts";
import { createArrivalCount } from "../../services/audit/src/log/arrival-count.service.ts";
import { createSnapshotSeal } from "../../services/audit/src/log/arrival-snapshot.store.ts";
import { createBodySeal } from "../../services/audit/src/log/body-seal.ts";
import { createSigner } from "../../services/audit/src/log/signer.ts";
import { LogWriter } from "../../services/audit/src/log/writer.service.ts";
import { createOutsideDirectory } from "../../services/audit/src/outside/outside.store.ts";
import { openFindings } from "../../services/audit/src/scrubber/finding.store.ts";
import {
  createScrubber,
  ROUND_MS,
  type Scrubber,
} from "../../services/audit/src/scrubber/scrubber.service.ts";
import { verifyLog } from "../../services/audit/src/verification/verification.service.ts";
import { cpuMicros, type Finding } from "../rounds.ts";

const BATCH = 500;
const CLEAN_RUNS = 20;
const MOST_SECONDS = 10;
const PAUSE_MS = ROUND_MS * 1.1; // jobs vary it by a tenth
const ORIGIN = "example.test/audit";
const { signal } = new AbortController();

/**
 * A superuser of Postgres, or anyone who reaches the store outside, attacks a log of `entries` at a
 * random place: how long the scrubber takes to find it beside the pauses of its rounds, and that
 * verification finds it too. Before that 20 runs over the same log, while it grows: no false alarm.
 */
export async function attacks(entries: number, say: (text: string) => void): Promise<Finding[]> {
  const log = await givenLog();
  try {
    await log.grow(entries);
    say(`${entries} events are logged`);
    const { alarms, scrubber } = await cleanRuns(log);
    const idle = await cpuMicros(() => scrubber.round(signal));
    const findings: Finding[] = [
      {
        name: `audit-attacks, false alarms in ${CLEAN_RUNS} runs`,
        measured: alarms,
        unit: "count",
        atMost: 0,
      },
      {
        name: "audit-attacks, a round where nothing was changed",
        measured: idle / 1e3,
        unit: "ms",
        atMost: 200,
      },
    ];
    for (const [name, attack] of attacksOn(log, await log.size())) {
      const took = await foundAfter(log, scrubber, attack);
      findings.push({
        name: `audit-attacks, ${name}`,
        measured: took.ms,
        unit: "ms",
        atMost: MOST_SECONDS * 1e3,
        note: took.found,
      });
      say(`${name}: ${took.found}`);
    }
    return findings;
  } finally {
    await log.end();
  }
}

async function cleanRuns(log: Log): Promise<{ alarms: number; scrubber: Scrubber }> {
  let scrubber = createScrubber(log.context, 1_000_000);
  for (let run = 0; run < CLEAN_RUNS; run += 1) {
    scrubber = createScrubber(log.context, 1_000_000);
    const growing = log.grow(BATCH);
    for (let round = 0; round < 4; round += 1) await scrubber.round(signal);
    await growing;
  }
  await log.settle();
  for (let round = 0; round < 4; round += 1) await scrubber.round(signal);
  return { alarms: (await openFindings(log.context.pool)).length, scrubber };
}

async function foundAfter(log: Log, scrubber: Scrubber, attack: () => Promise<() => Promise<unknown>>) {
  const undo = await attack();
  const begun = performance.now();
  let found: string[] = [];
  while (found.length === 0 && performance.now() - begun < 6 * MOST_SECONDS * 1e3) {
    await setTimeout(PAUSE_MS);
    await scrubber.round(signal);
    found = (await openFindings(log.context.pool)).map(({ fault, index }) => `${fault} at ${index}`);
  }
  const ms = performance.now() - begun;
  if ((await verifyLog(log.context)).ok) throw new Error("verification finds nothing");
  await undo();
  await log.sql("truncate findings");
  await log.context.arrivals.catchUp(Number.MAX_SAFE_INTEGER); // as a job does
  for (let round = 0; round < 4; round += 1) await scrubber.round(signal);
  const left = await openFindings(log.context.pool);
  if (left.length > 0) throw new Error(`what was undone is still found: ${left[0]?.fault}`);
  return { ms: found.length > 0 ? ms : Number.POSITIVE_INFINITY, found: found[0] ?? "not found" };
}

type Attack = readonly [name: string, attack: () => Promise<() => Promise<unknown>>];

function attacksOn(log: Log, size: number): Attack[] {
  const at = () => randomInt(256, size - 1_000);
  const row = (name: string, statement: string): Attack => [
    name,
    async () => {
      const idx = at();
      const undo = await log.keep(idx, idx + 2);
      await log.sql(statement.replaceAll("$1", String(idx)));
      return undo;
    },
  ];
  const file = (name: string, path: string, change: (bytes: Buffer) => Buffer): Attack => [
    name,
    async () => {
      const kept = await readFile(join(log.dir, path));
      await writeFile(join(log.dir, path), change(Buffer.from(kept)));
      return () => writeFile(join(log.dir, path), kept);
    },
  ];
  const cut = async (from: number, also: string[]) => {
    const undo = await log.keep(from, size);
    await log.sql("create temp table kept_checkpoints as select * from checkpoints");
    await log.sql(`delete from log where idx >= ${from}`);
    for (const each of also) await log.sql(each);
    return async () => {
      await undo();
      await log.sql("insert into checkpoints select * from kept_checkpoints on conflict do nothing");
      await log.sql("drop table kept_checkpoints");
      await log.sql(`update writer set size = ${size}`);
    };
  };
  const flip = (bytes: Buffer) => {
    bytes.writeUInt8(bytes.readUInt8(1_000) ^ 1, 1_000);
    return bytes;
  };
  const back = size - 5_000;
  return [
    row(
      "a body is edited",
      "update log set sealed = set_byte(sealed, 90, get_byte(sealed, 90) # 1) where idx = $1",
    ),
    row("a leaf is edited", "update log set leaf = sha256(leaf) where idx = $1"),
    row("a column of a filter is edited", "update log set actor_id = 'nobody' where idx = $1"),
    row("a time is changed", "update log set occurred_at = occurred_at + interval '1 day' where idx = $1"),
    row("one in the middle is deleted", "delete from log where idx = $1"),
    row(
      "two bodies are swapped",
      "update log set sealed = o.sealed from log o where log.idx + o.idx = 2 * $1 + 1 and log.idx in ($1, $1 + 1)",
    ),
    row(
      "two are reordered",
      "update log set idx = 900000000 where idx = $1; update log set idx = $1 where idx = $1 + 1; update log set idx = $1 + 1 where idx = 900000000",
    ),
    ["the tail is deleted", () => cut(size - 100, [])],
    [
      "the database is rolled back",
      () => cut(back, [`delete from checkpoints where size > ${back}`, `update writer set size = ${back}`]),
    ],
    [
      "one is inserted",
      async () => {
        await log.sql(`create temp table forged as select * from log where idx = ${at()}`);
        await log.sql(`update forged set idx = ${size}, id = gen_random_uuid()`);
        await log.sql(
          "insert into log select * from forged; update writer set size = size + 1; drop table forged",
        );
        return () =>
          log.sql(
            `delete from log where idx = ${size}; delete from log_ids where idx = ${size}; update writer set size = ${size}`,
          );
      },
    ],
    [
      "a part is built again, unsigned",
      async () => {
        const from = Math.floor(at() / 256) * 256;
        const undo = await log.keep(from, from + 256);
        await log.sql(`update log set leaf = sha256(leaf) where idx >= ${from} and idx < ${from + 256}`);
        return undo;
      },
    ],
    file("a fork is signed with the stolen key", "checkpoint", () => Buffer.from(log.forged(size))),
    file("a tile outside is edited", "tile/0/050", flip),
    file("a body outside is edited", "bodies/070", flip),
    [
      "the numbers that arrived are edited",
      async () => {
        await log.sql("create temp table kept_sequences as select * from sequences");
        await log.sql("update sequences set received = '{[1,9000000)}'");
        return () =>
          log.sql(
            "truncate sequences; insert into sequences select * from kept_sequences; drop table kept_sequences",
          );
      },
    ],
  ];
}

type Log = Awaited<ReturnType<typeof givenLog>>;

async function givenLog() {
  const database = await createTestDatabase(["audit"]);
  const pool = database.pool("audit");
  const keyring = await testKeyring("audit");
  const dir = mkdtempSync(join(tmpdir(), "medvault-attacks-"));
  const superuser = new pg.Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  const sql = (text: string) => superuser.query(text);
  await sql("set search_path to audit, audit_sys");
  const [logKey, key] = [
    await tableKey(pool, keyring, "log"),
    await signingKey(pool, keyring, "checkpoints"),
  ];
  const [seal, signer] = [createBodySeal(logKey), createSigner(ORIGIN, key.publicKey, key.sign)];
  const outside = createOutsideDirectory(dir);
  const logger = testLogger() as unknown as LogContext["logger"];
  const arrivals = createArrivalCount(pool, seal, createSnapshotSeal(logKey), { outside, signer });
  const context: LogContext = { pool, outside, signer, seal, arrivals, logger, now: () => new Date() };
  const writer = newWriter(context);
  let next = 1;
  const until = async (isSo: () => boolean) => {
    while (!isSo()) await setTimeout(20);
  };
  return {
    ...{ context, dir, sql },
    size: async () => next - 1,
    async grow(count: number): Promise<void> {
      await until(() => writer.state().phase === "writing");
      for (const end = next + count; next < end; next += BATCH) {
        const some = Array.from({ length: Math.min(BATCH, end - next) }, (_, n) => event(next + n));
        await inTransaction(pool, (tx) => writer.append(tx, some));
      }
    },
    async settle(): Promise<void> {
      await until(() => writer.state().publishedSize === next - 1);
      await writer.stop();
    },
    /** Keeps rows [from, to); gives what puts them back. */
    async keep(from: number, to: number): Promise<() => Promise<unknown>> {
      const range = `idx >= ${from} and idx < ${to}`;
      await sql(`create temp table kept as select * from log where ${range}`);
      return async () => {
        await sql(`delete from log where ${range} or idx >= 900000000; delete from log_ids where ${range}`);
        await sql("insert into log select * from kept; drop table kept");
      };
    },
    forged: (size: number) => signer.sign({ size, root: Buffer.alloc(32, 7) }).note,
    async end(): Promise<void> {
      await writer.stop();
      await superuser.end();
      await database.drop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function newWriter(context: LogContext): LogWriter {
  const options = { checkpointMs: 100, leaseMs: 60_000, maxStartLeaves: 250_000, retryMs: 50 };
  const writer = new LogWriter(context, { ...options, onRefusal: async () => {}, hasBroker: () => true });
  writer.start({ start() {}, stop: async () => {} });
  return writer;
}

function event(seq: number): CloudEvent {
  return CloudEvent.parse({
    specversion: "1.0",
    id: newId(),
    source: "/medvault/records",
    type: "medvault.records.prescription.read.v1",
    subject: `prescription/${newId()}`,
    time: new Date().toISOString(),
    datacontenttype: "application/json",
    requestid: newId(),
    producerepoch: 1,
    producerseq: seq,
    data: {
      actor: { id: newId(), role: "doctor", sessionId: null },
      from: { ip: "192.0.2.7", userAgent: "bench" },
      patientIds: [newId()],
      action: "prescription:read",
      purpose: "TREAT",
      decision: { allowed: true, reason: "assigned" },
      outcome: "success",
      fields: ["medication"],
    },
  });
}
