import { newId } from "@medvault/contracts";
import { expect, test } from "vitest";
import { bundleOf, patient, plan } from "../../test/plan.ts";
import { answerOf, type Outcome } from "./answer.ts";
import { parseBundle } from "./bundle.ts";
import { outcomesOf } from "./import-view.ts";

const MAX_KEPT_BYTES = 4 * 1024 * 1024;

test("what became of 20,000 entries is kept with an Idempotency-Key, also where all of them failed", async () => {
  const head = { version: 1, at: new Date("2026-01-01T00:00:00Z") };
  const entry = Array.from({ length: 20_000 }, () => ({ resource: { resourceType: "x".repeat(60) } }));
  const failed = outcomesOf(
    parseBundle({ resourceType: "Bundle", type: "batch", entry }),
    [],
    new Map(),
    new Map(),
  );
  const stored = entry.map(
    (): Outcome => ["updated", ["MedicationAdministration", newId(), 12, head.at.toISOString()]],
  );
  for (const outcomes of [failed, stored]) {
    expect(outcomes).toHaveLength(20_000);
    expect(Buffer.byteLength(JSON.stringify({ outcomes }))).toBeLessThan(MAX_KEPT_BYTES * 0.75);
  }
  expect(answerOf(false, failed).entry[0]?.response.outcome.issue[0]).toMatchObject({
    severity: "error",
    expression: ["entry[0].resource.resourceType"],
  });
});

test("an answer says status, place, version and time, and what is doubtful of what was stored", () => {
  const at = "2026-01-01T00:00:00.000Z";
  const answer = answerOf(true, [
    ["created", ["Observation", "1", 1, at]],
    ["kept", ["Observation", "2", 1, at], ["entry.1.resource.status", "is unknown"]],
    ["older", ["Observation", "3", 4, at]],
  ]);
  expect(answer.type).toBe("transaction-response");
  expect(
    answer.entry.map(({ response }) => [response.status, response.etag, response.outcome.issue[0]?.severity]),
  ).toEqual([
    ["201 Created", 'W/"1"', "information"],
    ["201 Created", 'W/"1"', "warning"],
    ["200 OK", 'W/"4"', "warning"],
  ]);
  expect(answer.entry[2]?.response).toMatchObject({ location: "Observation/3/_history/4", lastModified: at });
});

test("a plan knows what each resource is asked for", async () => {
  const { patient: planned } = await plan(bundleOf(patient));
  expect(planned?.interaction).toMatchObject({ method: "POST", type: "Patient" });
});
