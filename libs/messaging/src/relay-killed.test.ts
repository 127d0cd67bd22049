import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { inTransaction } from "@medvault/postgres";
import { afterAll, expect, test, vi } from "vitest";
import { givenMessaging, listen, numbered, numberOf } from "../test/harness.ts";
import { emit } from "./emit.ts";
import { createRelay } from "./relay.ts";

const EVENTS = 2_000;
const KILLS = 5;
const SCRIPT = fileURLToPath(new URL("../test/relay-process.ts", import.meta.url));

const messaging = await givenMessaging();
const { database, broker, logger } = messaging;
const pool = database.pool("records");
const children: ChildProcess[] = [];
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await messaging.end();
});

test("a relay killed with SIGKILL in the middle of its work, again and again: every event under one number, no gap", async () => {
  const audit = await listen(broker, "medvault.audit");
  const events = Array.from({ length: EVENTS }, (_, i) => numbered(i));
  await inTransaction(pool, (tx) => emit(tx, "records", ...events));
  for (let kill = 0; kill < KILLS; kill++) {
    const before = audit.events().length;
    const child = spawn(process.execPath, [SCRIPT, database.url("records"), broker.url("records")], {
      stdio: "ignore",
    });
    children.push(child);
    await vi.waitFor(() => expect(audit.events().length).toBeGreaterThan(before + kill * 7), {
      timeout: 15_000,
      interval: 1,
    });
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }
  const relay = createRelay({ pool, source: "records", amqpUrl: broker.url("records"), logger });
  relay.start();
  await vi.waitFor(async () => {
    expect((await pool.query("select from outbox")).rowCount).toBe(0);
    expect(new Set(audit.events().map(numberOf)).size).toBeGreaterThanOrEqual(EVENTS);
  }, 20_000);
  const numbers = new Map<string, Set<number | undefined>>();
  for (const event of audit.events()) {
    numbers.set(event.id, (numbers.get(event.id) ?? new Set()).add(event.producerseq));
  }
  const distinct = [...numbers.values()].map((seen) => [...seen]);
  expect(distinct.every((seen) => seen.length === 1)).toBe(true);
  const sorted = distinct.flat().toSorted((a, b) => Number(a) - Number(b));
  expect(sorted).toEqual(Array.from({ length: sorted.length }, (_, i) => i + 1));
  await relay.stop();
  await audit.close();
}, 90_000);
