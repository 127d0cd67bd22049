import type { AuditCompletenessPage } from "@medvault/contracts";
import { drainedEvents } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { z } from "zod";
import { startAudit, type TestAudit } from "../../test/harness.ts";
import { event, events, eventually } from "../../test/log-harness.ts";

type Completeness = z.infer<typeof AuditCompletenessPage>;

const other = "0197a000-0000-7000-8000-00000000000d";
const some = events(8);
let audit: TestAudit;
beforeAll(async () => {
  audit = await startAudit();
  await audit.send(...some);
  await audit.logged(8);
}, 30_000);
afterAll(() => audit.end());

test("a poison message is parked and the others go on; the gap shows, and closes when the late ones come", async () => {
  await audit.sendRaw("records", "{ not json");
  await audit.sendRaw("records", JSON.stringify([{ nonsense: true }, event(12)]));
  await audit.sendRaw(
    "records",
    JSON.stringify([event(13, { source: "/medvault/auth", type: "medvault.auth.x.y.v1" })]),
  );
  await audit.send(event(11));
  await audit.logged(10);
  const { rows } = await audit.superuser.query("select reason from parked order by reason");
  expect(rows.map((row) => row.reason)).toEqual(["not_an_event", "not_json", "source_not_user"]);
  const completeness = async () =>
    (await audit.as("auditor").get<Completeness>("/v1/audit/completeness")).body.items[0];
  expect(await completeness()).toMatchObject({
    producer: "records",
    epoch: 1,
    lastSequence: 12,
    received: 10,
    gaps: [{ from: 9, to: 10 }],
    duplicates: 0,
    heartbeat: null,
  });
  await audit.send(event(10), event(9));
  await audit.logged(12);
  expect(await completeness()).toMatchObject({ lastSequence: 12, gaps: [] });
});

test("a number used twice is counted, and a heartbeat shows what never came", async () => {
  const beat = event(15, {
    type: "medvault.records.producer.heartbeat.v1",
    data: { actor: null, patientIds: [], action: "producer:heartbeat", details: { epoch: 1, lastSeq: 20 } },
  });
  await audit.send(event(12), beat);
  await audit.logged(14);
  const { body } = await audit.as("auditor").get<Completeness>("/v1/audit/completeness");
  expect(body.items[0]).toMatchObject({
    duplicates: 1,
    gaps: [
      { from: 13, to: 14 },
      { from: 16, to: 20 },
    ],
    heartbeat: { lastSequence: 20 },
  });
});

test("a message that is delivered again is logged once", async () => {
  const once = event(30);
  await audit.send(once, once);
  await audit.send(once, event(31));
  await audit.logged(16);
  // The log knows its events for good, beyond the 90 days of an inbox.
  expect((await audit.superuser.query("select from inbox")).rowCount).toBe(0);
});

test("a damaged row is shown as damaged and not as what it claims; its proof is refused", async () => {
  const flip = () =>
    audit.superuser.query(
      "update log set sealed = set_byte(sealed, 90, get_byte(sealed, 90) # 1) where idx = 2",
    );
  await flip();
  const auditor = audit.as("auditor");
  const id = some[2]?.id;
  expect((await auditor.get(`/v1/audit/events/${id}`)).body).toMatchObject({
    damaged: true,
    actor: null,
    action: null,
  });
  expect(await auditor.get(`/v1/audit/events/${id}/proof`)).toMatchObject({
    status: 500,
    body: { code: "audit_log_damaged" },
  });
  expect((await auditor.post("/v1/audit/verify")).body).toMatchObject({ ok: false, firstBadIndex: 2 });
  await flip();
});

test("while the writer refuses, readiness says degraded and why, events wait, and queries are answered", async () => {
  const good = await audit.published(16);
  await audit.outside.writeCheckpoint(await audit.epoch(), "nonsense\n");
  await audit.send(event(40));
  const ready = () => audit.as("auditor").get<{ status: string; checks: Record<string, string> }>("/readyz");
  await eventually(async () =>
    expect((await ready()).body).toMatchObject({
      status: "degraded",
      checks: { writer: "degraded", writer_outside_checkpoint_forged: "degraded" },
    }),
  );
  expect((await ready()).status).toBe(200);
  expect((await audit.as("auditor").get("/v1/audit/events?limit=1")).status).toBe(200);
  const refused = (await drainedEvents(audit.pool)).filter(
    (each) => each.type === "medvault.audit.writer.refused.v1",
  );
  expect(refused).toMatchObject([{ data: { decision: { reason: "outside_checkpoint_forged" } } }]);
  await audit.send(event(41));
  await audit.outside.writeCheckpoint(await audit.epoch(), good);
  // What the first test had parked is still to be looked at.
  const healed = { writer: "ok", parked_messages: "degraded" };
  await eventually(async () => expect((await ready()).body.checks).toMatchObject(healed));
  await audit.logged(18);
});

test("a proof of an event that no checkpoint covers is 503 with Retry-After", async () => {
  await audit.writer.stop();
  await audit.superuser.query(`insert into log select 18, '${other}', occurred_at, type, producer, epoch, seq, actor_id,
    actor_role, patient_ids, subject, action, outcome, purpose, ip, request_id, leaf, sealed from log where idx = 3`);
  const body = audit.seal.open(3, some[3]?.id ?? "", (await sealedOf(3)) ?? Buffer.alloc(0));
  const resealed = audit.seal.seal(18, other, body ?? Buffer.alloc(0));
  await audit.superuser.query("update log set sealed = $1 where idx = 18", [resealed]);
  const answer = await audit.as("auditor").get(`/v1/audit/events/${other}/proof`);
  expect(answer).toMatchObject({ status: 503, body: { code: "not_yet_signed" } });
  expect(answer.headers.get("retry-after")).toBe("2");
});

async function sealedOf(idx: number): Promise<Buffer | undefined> {
  const { rows } = await audit.superuser.query<{ sealed: Buffer }>("select sealed from log where idx = $1", [
    idx,
  ]);
  return rows[0]?.sealed;
}
