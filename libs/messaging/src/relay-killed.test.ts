import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test, vi } from "vitest";
import { numberOf } from "../test/harness.ts";
import { givenRelaying } from "../test/relay-harness.ts";

const EVENTS = 2_000;
const KILLS = 5;
const SCRIPT = fileURLToPath(new URL("../test/relay-process.ts", import.meta.url));

const { audit, broker, database, emitted, pool, startRelay } = await givenRelaying();
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
});

test("a relay killed with SIGKILL in the middle of its work, again and again: every event under one number, no gap", async () => {
  await emitted(1, EVENTS);
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
  startRelay();
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
}, 90_000);
