import type { AlertPage, AlertView } from "@medvault/contracts";
import { newId } from "@medvault/contracts";
import { drainedEvents } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { z } from "zod";
import { startAudit, type TestAudit } from "../../test/harness.ts";
import { event } from "../../test/log-harness.ts";

let audit: TestAudit;
const attacker = newId();
beforeAll(async () => {
  audit = await startAudit();
  const hit = (seq: number, id: string, role: string) =>
    event(seq, {
      source: "/medvault/gateway/a1",
      type: "medvault.gateway.screening.hit.v1",
      subject: "address/192.0.2.7",
      data: {
        actor: { id, role, sessionId: null },
        patientIds: [],
        action: "request:refuse",
        outcome: "denied",
        decision: { allowed: false, reason: "sql" },
        details: { kind: "sql" },
      },
    });
  await audit.sendRaw("gateway", JSON.stringify([hit(1, attacker, "doctor"), hit(2, newId(), "patient")]));
  await audit.logged(2);
  await audit.detector.run(new AbortController().signal);
}, 30_000);
afterAll(() => audit.end());

const list = async (query = "") =>
  (await audit.as("auditor").get<z.infer<typeof AlertPage>>(`/v1/audit/alerts${query}`)).body;
const one = async () => {
  const found = (await list()).items.find(({ cause }) => cause.actorId === attacker);
  if (!found) throw new Error("there is no such alert");
  return found;
};

test("an alert says why it fired, with its events, and what to do; filters and pages hold", async () => {
  const alert = await one();
  expect(alert).toMatchObject({
    rule: "injection",
    severity: "critical",
    state: "open",
    cause: { actorId: attacker, patientId: null, address: null, subject: null },
    count: 1,
    note: null,
    changedBy: null,
  });
  expect(alert.why).toMatch(new RegExp(`^${attacker}, who was signed in, sent a request`));
  expect(alert.whatToDo).toContain("End this person's sessions");
  const read = await audit.as("auditor").get(`/v1/audit/events/${alert.events[0]}`);
  expect(read.body).toMatchObject({ actor: { id: attacker } });
  const page = await list("?limit=1&rule=injection&state=open&severity=critical");
  expect(page.items).toHaveLength(1);
  const rest = await list(`?limit=1&cursor=${page.nextCursor}`);
  expect(rest.items).toHaveLength(1);
  expect(rest.items[0]?.id).not.toBe(page.items[0]?.id);
  expect((await list("?severity=low")).items).toEqual([]);
  expect((await list(`?from=${new Date(Date.now() + 60_000).toISOString()}`)).items).toEqual([]);
  expect((await audit.as("auditor").get("/v1/audit/alerts?rule=nonsense")).status).toBe(400);
});

test("its state and note change by the rules, under If-Match, and each change is in the log without the note", async () => {
  const auditor = audit.as("auditor");
  const { id } = await one();
  const path = `/v1/audit/alerts/${id}`;
  const read = await auditor.get<AlertView>(path);
  expect(read.headers.get("etag")).toBe('"1"');
  const note = "Asked by phone: a test of the new firewall";
  const changed = await auditor.patch<AlertView>(
    path,
    { state: "acknowledged", note },
    { headers: { "if-match": '"1"' } },
  );
  expect(changed).toMatchObject({
    status: 200,
    body: { state: "acknowledged", note, changedBy: auditor.actor.id },
  });
  expect(changed.headers.get("etag")).toBe('"2"');
  const late = await auditor.patch(path, { state: "closed" }, { headers: { "if-match": '"1"' } });
  expect(late).toMatchObject({ status: 412, body: { code: "version_conflict" } });
  const closed = await auditor.patch<AlertView>(path, { state: "closed" });
  expect(closed.body).toMatchObject({ state: "closed", note });
  const refused = await auditor.patch(path, { state: "acknowledged" });
  expect(refused).toMatchObject({ status: 409, body: { code: "invalid_transition" } });
  expect((await auditor.patch<AlertView>(path, { state: "open" })).body).toMatchObject({
    state: "open",
    note,
  });
  const stored = await audit.superuser.query("select note from alerts where id = $1", [id]);
  expect(stored.rows[0].note.includes(Buffer.from("firewall"))).toBe(false);
  const events = await drainedEvents(audit.pool);
  const changes = events.filter(({ type }) => type === "medvault.audit.alert.changed.v1");
  expect(changes.map(({ data }) => [data.actor?.id, data.fields, data.details?.after])).toEqual([
    [auditor.actor.id, ["state", "note"], "acknowledged"],
    [auditor.actor.id, ["state"], "closed"],
    [auditor.actor.id, ["state"], "open"],
  ]);
  expect(JSON.stringify(events)).not.toContain("firewall");
});

test("alerts are for auditors and admins; what is not there is not found; bad bodies are refused", async () => {
  for (const role of ["patient", "doctor"] as const) {
    expect((await audit.as(role).get("/v1/audit/alerts")).status).toBe(403);
    expect(
      (await audit.as(role).patch(`/v1/audit/alerts/${(await one()).id}`, { state: "closed" })).status,
    ).toBe(403);
  }
  expect((await audit.as("admin").get("/v1/audit/alerts")).status).toBe(200);
  expect((await audit.as("auditor").get(`/v1/audit/alerts/${newId()}`)).status).toBe(404);
  expect((await audit.as("auditor").patch(`/v1/audit/alerts/${newId()}`, { state: "closed" })).status).toBe(
    404,
  );
  const path = `/v1/audit/alerts/${(await one()).id}`;
  for (const body of [{}, { state: "done" }, { state: "open", note: "" }, { state: "open", more: 1 }])
    expect((await audit.as("auditor").patch(path, body)).status).toBe(400);
});
