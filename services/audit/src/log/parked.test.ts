import { countParked, dismissParked, listParked, redriveParked } from "@medvault/messaging";
import { metricsOf } from "@medvault/service-kit";
import { drainedEvents } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startAudit, type TestAudit } from "../../test/harness.ts";
import { event, eventually } from "../../test/log-harness.ts";

let audit: TestAudit;
beforeAll(async () => {
  audit = await startAudit();
}, 30_000);
afterAll(() => audit.end());

async function readyz(): Promise<{ status: string; checks: Record<string, string> }> {
  return (await audit.as("auditor").get("/readyz")).body as never;
}
const parkedMetric = async () =>
  (await metricsOf(audit.app).getSingleMetric("parked_messages")?.get())?.values[0]?.value;

test("what the audit queue could not take leaves readyz degraded by name, and a metric, until it is re-driven or dismissed", async () => {
  await audit.send(event(1));
  await audit.logged(1);
  expect(await readyz()).toMatchObject({ status: "ok", checks: { parked_messages: "ok" } });
  expect(await parkedMetric()).toBe(0);
  await audit.sendRaw("records", "{ not json");
  await audit.sendRaw("records", JSON.stringify([{ ...event(2), time: "0000-01-01T00:00:00Z" }]));
  await audit.sendRaw("records", JSON.stringify([{ ...event(3), type: "medvault.nobody.thing.done.v1" }]));
  await eventually(async () => expect(await countParked(audit.pool)).toBe(3));
  const reasons = (await listParked(audit.pool)).map(({ reason }) => reason);
  expect(reasons.sort()).toEqual(["not_an_event", "not_json", "source_not_user"]);
  expect(await readyz()).toMatchObject({ status: "degraded", checks: { parked_messages: "degraded" } });
  // A metric is asked of the database once in 2 s.
  await eventually(async () => expect(await parkedMetric()).toBe(3));
  const [first, ...others] = await listParked(audit.pool);
  await redriveParked(audit.pool, first?.id ?? ""); // it is as bad as before, and stays
  for (const { id } of others) expect(await dismissParked(audit.pool, "audit", id)).toBe(true);
  expect((await readyz()).status).toBe("degraded");
  expect(await dismissParked(audit.pool, "audit", first?.id ?? "")).toBe(true);
  expect(await dismissParked(audit.pool, "audit", first?.id ?? "")).toBe(false);
  expect(await readyz()).toMatchObject({ status: "ok", checks: { parked_messages: "ok" } });
  const types = (await drainedEvents(audit.pool)).map(({ type }) => type);
  expect(types.filter((type) => type === "medvault.audit.parked.dismissed.v1")).toHaveLength(3);
});

test("a number far ahead is parked and makes no gap; the producer's honest events of the same message are logged", async () => {
  const lie = event(4, { producerseq: Number.MAX_SAFE_INTEGER });
  await audit.send(event(2), lie, event(3));
  await audit.logged(3);
  await eventually(async () =>
    expect(await listParked(audit.pool)).toMatchObject([{ reason: "number_far_ahead" }]),
  );
  await audit.send(event(4));
  await audit.logged(4);
  const { body } = await audit.as("auditor").get("/v1/audit/completeness");
  expect(body).toMatchObject({ items: [{ lastSequence: 4, received: 4, gaps: [] }] });
});
