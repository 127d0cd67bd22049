import { metricOf } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startAudit, type TestAudit } from "../../test/harness.ts";
import { event } from "../../test/log-harness.ts";

let audit: TestAudit;
beforeAll(async () => {
  audit = await startAudit();
}, 30_000);
afterAll(() => audit.end());

const shown = (name: string, labels?: Record<string, string>) => metricOf(audit.app, name, labels);
const numbered = (n: number) => event(n, { producerepoch: 1, producerseq: n });

test("the log shows how far it has come, its last checkpoint, and what is missing of a producer", async () => {
  await audit.send(numbered(1), numbered(2), numbered(5));
  await audit.logged(3);
  await expect.poll(() => shown("audit_log_entries"), { timeout: 10_000 }).toBe(3);
  await expect.poll(() => shown("audit_unpublished_entries"), { timeout: 10_000 }).toBe(0);
  expect(await shown("audit_missing_events", { producer: "records" })).toBe(2);
  const signedAt = (await shown("audit_last_checkpoint_timestamp_seconds")) ?? 0;
  expect(Math.abs(signedAt - Date.now() / 1000)).toBeLessThan(600);
  expect(await shown("audit_writer_writing")).toBe(1);
  expect(await shown("audit_writer_refusing")).toBe(0);
  expect(await shown("audit_append_delay_seconds")).toBeGreaterThan(0);
  await audit.send(numbered(3), numbered(4));
  await expect
    .poll(() => shown("audit_missing_events", { producer: "records" }), { timeout: 10_000 })
    .toBe(0);
  expect(await shown("queue_consumers", { queue: "medvault.audit" })).toBe(1);
});
