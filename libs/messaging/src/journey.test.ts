import { openEar } from "@medvault/postgres";
import { expect, test, vi } from "vitest";
import { numbered, numberOf } from "../test/harness.ts";
import { givenRelaying } from "../test/relay-harness.ts";
import { toOutboxEvent } from "./envelope.ts";
import { insertEvents } from "./outbox.store.ts";
import { relayChannel } from "./wake.ts";

const { audit, emitted, pool, startRelay } = await givenRelaying();

/** The pool, and every text that goes through its `query`. */
function counted(): { watched: typeof pool; sent: string[] } {
  const sent: string[] = [];
  const query = (text: string, values?: unknown[]) => {
    sent.push(text);
    return pool.query(text, values);
  };
  return { watched: Object.assign(Object.create(pool), { query }), sent };
}
const claims = (sent: string[]) => sent.filter((text) => text.includes("insert into relay_batches")).length;
const deletes = (sent: string[]) => sent.filter((text) => text.includes("delete from outbox")).length;
const renewals = (sent: string[]) => sent.filter((text) => text.includes("set fence = fence")).length;

test("a batch of events costs its relay two statements, whatever its size", async () => {
  const { watched, sent } = counted();
  startRelay({ pool: watched, leaseMs: 3_600_000 });
  await emitted(1, 1);
  await vi.waitFor(() => expect(deletes(sent)).toBe(1), 5_000);
  sent.length = 0;
  const begun = performance.now();
  await emitted(2, 400);
  await vi.waitFor(() => expect(deletes(sent)).toBe(1), 5_000);
  await vi.waitFor(() => expect(audit.events()).toHaveLength(400), 5_000);
  // It looks for late ones ten times a second while another database's transaction is open.
  expect(claims(sent)).toBeLessThanOrEqual(1 + 2 * (1 + (performance.now() - begun) / 100));
  expect(sent).toHaveLength(claims(sent) + 1);
});

test("events that come one after another travel in company: batches begin 50 ms apart", async () => {
  const { watched, sent } = counted();
  startRelay({ pool: watched, leaseMs: 3_600_000 });
  await emitted(1, 1);
  await vi.waitFor(() => expect(deletes(sent)).toBe(1), 5_000);
  const begun = performance.now();
  for (let n = 2; n <= 60; n++) await emitted(n, n);
  await vi.waitFor(() => expect(audit.events()).toHaveLength(60), 5_000);
  const tookMs = performance.now() - begun;
  expect(claims(sent)).toBeLessThanOrEqual(3 + tookMs / 50 + 2 * (tookMs / 100));
  expect(audit.events().map(numberOf)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
});

test("a relay with nothing to do sends one statement in a third of its lease", async () => {
  const { watched, sent } = counted();
  startRelay({ pool: watched, leaseMs: 300 });
  await emitted(1, 1);
  await vi.waitFor(() => expect(deletes(sent)).toBe(1), 5_000);
  sent.length = 0;
  const begun = performance.now();
  await vi.waitFor(() => expect(renewals(sent)).toBeGreaterThan(5), 5_000);
  const lookingForLate = 2 * ((performance.now() - begun) / 100);
  expect(sent.length).toBeLessThanOrEqual(renewals(sent) + 2 + lookingForLate);
});

test("what another process commits is heard of, by NOTIFY, though the relay does not look for an hour", async () => {
  startRelay({ pollMs: 3_600_000, leaseMs: 3_600_000 });
  await emitted(1, 1);
  await vi.waitFor(() => expect(audit.events()).toHaveLength(1), 5_000);
  const foreign = [toOutboxEvent("records", numbered(2))];
  await insertEvents(pool, foreign, relayChannel("records"));
  await vi.waitFor(() => expect(audit.events().map(numberOf)).toEqual([1, 2]), 5_000);
});

test("a commit notifies only where no relay of the process is woken by it", async () => {
  let heard = 0;
  const ear = await openEar(pool, relayChannel("records"), () => {
    heard += 1;
  });
  await emitted(1, 1);
  await vi.waitFor(() => expect(heard).toBe(1), 5_000);
  const relay = startRelay();
  await emitted(2, 2);
  await vi.waitFor(() => expect(audit.events()).toHaveLength(2), 5_000);
  await relay.stop();
  await emitted(3, 3);
  await vi.waitFor(() => expect(heard).toBe(2), 5_000);
  ear.close();
});

test("a process whose relay has no lease tells the one that has it", async () => {
  startRelay({ pollMs: 3_600_000, leaseMs: 3_600_000 });
  await emitted(1, 1);
  await vi.waitFor(() => expect(audit.events()).toHaveLength(1), 5_000);
  const { watched, sent } = counted();
  startRelay({ pool: watched });
  await vi.waitFor(() => expect(renewals(sent)).toBeGreaterThan(0), 5_000);
  await emitted(2, 2);
  await vi.waitFor(() => expect(sent.filter((text) => text.includes("pg_notify"))).toHaveLength(1), 5_000);
});

test("stop does not wait for company", async () => {
  const relay = startRelay();
  await emitted(1, 1);
  await vi.waitFor(() => expect(audit.events()).toHaveLength(1), 5_000);
  await emitted(2, 2);
  await relay.stop();
  expect((await pool.query("select from outbox")).rowCount).toBe(0);
});
