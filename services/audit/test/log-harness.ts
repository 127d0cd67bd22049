import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { CloudEvent, newId } from "@medvault/contracts";
import { type Keyring, signingKey, tableKey } from "@medvault/keys";
import { inTransaction } from "@medvault/postgres";
import { createTestDatabase, type TestDatabase, testKeyring, testLogger } from "@medvault/testing";
import pg from "pg";
import { expect } from "vitest";
import type { LogContext } from "../src/context.ts";
import { createArrivalCount } from "../src/log/arrival-count.service.ts";
import { createSnapshotSeal } from "../src/log/arrival-snapshot.store.ts";
import { createBodySeal } from "../src/log/body-seal.ts";
import { createSigner } from "../src/log/signer.ts";
import { LogWriter, type WriterOptions } from "../src/log/writer.service.ts";
import { createOutsideDirectory, type OutsideStore } from "../src/outside/outside.store.ts";
import { verifyLog } from "../src/verification/verification.service.ts";

export const ORIGIN = "example.test/audit";

/** Waits until `check` no longer throws; long enough for a machine that does much else. */
export async function eventually(check: () => unknown): Promise<void> {
  for (const until = performance.now() + 15_000; ; await delay(10)) {
    try {
      return void (await check());
    } catch (error) {
      if (performance.now() > until) throw error;
    }
  }
}

/** An event as a relay would send it; `seq` counts up by itself. */
export function event(
  seq: number,
  overrides: Partial<Omit<CloudEvent, "data">> & { data?: Partial<CloudEvent["data"]> } = {},
) {
  const { data, ...envelope } = overrides;
  return CloudEvent.parse({
    specversion: "1.0",
    id: newId(),
    source: "/medvault/records",
    type: "medvault.records.prescription.read.v1",
    subject: `prescription/${newId()}`,
    time: new Date(Date.UTC(2026, 0, 1) + seq * 1_000).toISOString(),
    datacontenttype: "application/json",
    requestid: newId(),
    producerepoch: 1,
    producerseq: seq,
    ...envelope,
    data: {
      actor: { id: newId(), role: "doctor", sessionId: null },
      from: { ip: "192.0.2.7", userAgent: "vitest" },
      patientIds: [newId()],
      action: "prescription:read",
      purpose: "TREAT",
      decision: { allowed: true, reason: "assigned" },
      outcome: "success",
      fields: ["medication"],
      ...data,
    },
  });
}

/** `count` events, numbered from `first`. */
export const events = (count: number, first = 1) =>
  Array.from({ length: count }, (_, at) => event(first + at));

type WriterOverrides = Partial<WriterOptions> & { outside?: OutsideStore };

/** A log of its own: database, directory, keys, and writers that can be made and killed at will. */
export async function givenLog(db?: TestDatabase, ring?: Keyring) {
  const database = db ?? (await createTestDatabase(["audit"]));
  const pool = database.pool("audit");
  const keyring = ring ?? (await testKeyring("audit"));
  const dir = await mkdtemp(join(tmpdir(), "medvault-audit-"));
  const superuser = new pg.Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  await superuser.query("set search_path to audit, audit_sys");
  const logKey = await tableKey(pool, keyring, "log");
  const seal = createBodySeal(logKey);
  const snapshotSeal = createSnapshotSeal(logKey);
  const key = await signingKey(pool, keyring, "checkpoints");
  const signer = createSigner(ORIGIN, key.publicKey, key.sign);
  const outside = createOutsideDirectory(dir);
  const arrivals = createArrivalCount(pool, seal, snapshotSeal, { outside, signer });
  const logger = testLogger() as unknown as LogContext["logger"];
  const context: LogContext = { pool, outside, signer, seal, arrivals, logger, now: () => new Date() };
  const writers: LogWriter[] = [];
  const refusals: string[] = [];

  function writer({ outside: store = outside, ...overrides }: WriterOverrides = {}): LogWriter {
    const made = new LogWriter(
      { ...context, outside: store },
      {
        onRefusal: async (code) => void refusals.push(code),
        hasBroker: () => true,
        checkpointMs: 20,
        leaseMs: 1_000,
        maxStartLeaves: 250_000,
        retryMs: 50,
        ...overrides,
      },
    );
    writers.push(made);
    made.start({ start() {}, stop: async () => {} });
    return made;
  }

  async function writing(overrides: WriterOverrides = {}): Promise<LogWriter> {
    const made = writer(overrides);
    await eventually(() => expect(made.state().phase).toBe("writing"));
    return made;
  }

  return {
    database,
    pool,
    dir,
    keyring,
    superuser,
    seal,
    snapshotSeal,
    signer,
    outside,
    context,
    /** The epoch under which the store outside takes files now. */
    epoch: async () => Number((await readdir(join(dir, ".writer")))[0]),
    refusals,
    writer,
    writing,
    append: (by: LogWriter, some: readonly CloudEvent[]) => inTransaction(pool, (tx) => by.append(tx, some)),
    /** Waits until the store outside has a checkpoint of this size. */
    async published(size: number): Promise<string> {
      let note = "";
      await eventually(async () => {
        note = (await outside.readCheckpoint()) ?? "";
        expect(note.split("\n")[1]).toBe(String(size));
        // The history follows with the commit, a moment later.
        const { rowCount } = await superuser.query("select from checkpoints where size = $1", [size]);
        expect(rowCount).toBe(1);
      });
      return note;
    },
    /** Waits until a fresh writer says why it refuses. */
    async refusalOf(made: LogWriter): Promise<string> {
      await eventually(() => expect(made.state().refusal).not.toBeNull());
      expect(made.state().phase).toBe("refusing");
      return made.state().refusal?.code ?? "";
    },
    verify: () => verifyLog(context),
    /** An empty log again, with the same keys. */
    async reset(): Promise<void> {
      await Promise.all(writers.splice(0).map((each) => each.stop()));
      await superuser.query(
        `truncate log, log_ids, log_counts, checkpoints, sequences, arrivals, findings, inbox, outbox, parked,
           standbys`,
      );
      await superuser.query("update writer set size = 0, lease_until = null");
      await superuser.query("update scrub set position = 0, walked_at = null");
      await rm(dir, { recursive: true, force: true });
      refusals.length = 0;
    },
    async end(): Promise<void> {
      await Promise.all(writers.splice(0).map((each) => each.stop()));
      await superuser.end();
      if (db === undefined) await database.drop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
export type GivenLog = Awaited<ReturnType<typeof givenLog>>;

/** A store that takes no bodies until it is released: what comes meanwhile has no checkpoint. */
export function held(outside: OutsideStore) {
  const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const writeBodies: OutsideStore["writeBodies"] = async (...args) => {
    reached.resolve();
    await released.promise;
    await outside.writeBodies(...args);
  };
  return { outside: { ...outside, writeBodies }, reached: reached.promise, release: released.resolve };
}

/** A store that breaks off, as a crash would, before the step whose name `breakAt` gives. */
export function crashing(outside: OutsideStore, breakAt: () => keyof OutsideStore | null): OutsideStore {
  return new Proxy(outside, {
    get(target, name: keyof OutsideStore) {
      const real = target[name] as (...args: unknown[]) => Promise<unknown>;
      return (...args: unknown[]) =>
        breakAt() === name ? Promise.reject(new Error("crashed here")) : real.apply(target, args);
    },
  });
}
