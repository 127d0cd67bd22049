import { INTEGRITY_FAILED } from "@medvault/contracts";
import { drainedEvents, metricOf } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startAudit, type TestAudit } from "../../test/harness.ts";
import { event, eventually } from "../../test/log-harness.ts";
import { createScrubber } from "./scrubber.service.ts";

let audit: TestAudit;
beforeAll(async () => {
  audit = await startAudit();
}, 30_000);
afterAll(() => audit.end());

test("one UPDATE of the numbers hides no gap, and is shown by readiness, a metric and an event", async () => {
  await audit.send(event(1), event(2), event(5));
  await audit.logged(3);
  const auditor = audit.as("auditor");
  const ready = async () =>
    (await auditor.get<{ status: string; checks: Record<string, string> }>("/readyz")).body;
  expect((await ready()).checks.log_integrity).toBe("ok");
  await drainedEvents(audit.pool);
  await audit.superuser.query("update sequences set received = '{[1,6)}'");
  await createScrubber(audit.context, 2_000).round(new AbortController().signal);
  expect(await ready()).toMatchObject({ status: "degraded", checks: { log_integrity: "degraded" } });
  const shown = (fault: string) => metricOf(audit.app, "audit_integrity_findings", { fault });
  await eventually(async () => expect(await shown("sequences_changed")).toBe(1));
  expect(await shown("entry_deleted")).toBe(0);
  expect((await drainedEvents(audit.pool)).filter(({ type }) => type === INTEGRITY_FAILED)).toMatchObject([
    { subject: "audit/log", data: { decision: { reason: "sequences_changed" }, details: { index: null } } },
  ]);
  expect((await auditor.get("/v1/audit/completeness")).body).toMatchObject({
    items: [{ lastSequence: 5, received: 3, gaps: [{ from: 3, to: 4 }] }],
  });
});
