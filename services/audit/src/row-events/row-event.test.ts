import { hash, randomBytes } from "node:crypto";
import { newId, RowEventPage } from "@medvault/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startAudit, type TestAudit } from "../../test/harness.ts";
import { event } from "../../test/log-harness.ts";

const DRUG = newId();
const PATIENT = newId();
const BOX = "ab".repeat(32);
let audit: TestAudit;
let seq = 0;
beforeAll(async () => {
  audit = await startAudit();
  await audit.send(
    event(++seq),
    event(++seq, {
      type: "medvault.records.prescription.created.v1",
      subject: `prescription/${DRUG}`,
      data: { patientIds: [PATIENT], details: { rev: 1, boxSha256: BOX } },
    }),
    event(++seq, { type: "medvault.records.patient.erased.v1", data: { patientIds: [PATIENT] } }),
    event(++seq, {
      type: "medvault.records.prescription.deleted.v1",
      data: { outcome: "denied", details: { rev: 1 } },
    }),
  );
  await audit.logged(seq);
});
afterAll(() => audit.end());

const newTicket = () => `delegation.${randomBytes(32).toString("hex")}`;
const asked = (ticket: string, more: object = {}) =>
  event(++seq, {
    type: "medvault.records.row-check.opened.v1",
    subject: "row-check",
    time: new Date().toISOString(),
    data: { patientIds: [], details: { ticketSha256: hash("sha256", ticket, "hex") } },
    ...more,
  });

async function withTicket(ticket: string, path = "/internal/row-events?from=0") {
  const headers = { "x-medvault-assertion": ticket };
  const { status, bytes } = await audit.as("guest").get(path, { headers });
  const lines = status === 200 ? bytes.toString().trim().split("\n") : [];
  return { status, pages: lines.map((line) => RowEventPage.parse(JSON.parse(line))) };
}

test("by a ticket that records told the log of, what is said of rows is read in order, and no more", async () => {
  const ticket = newTicket();
  await audit.send(asked(ticket));
  await audit.logged(seq);
  const { status, pages } = await withTicket(ticket);
  expect(status).toBe(200);
  expect(pages.map(({ next, size, missing }) => [next, size, missing])).toEqual([[seq, seq, 0]]);
  expect(pages[0]?.events).toMatchObject([
    { idx: 1, subject: `prescription/${DRUG}`, patientIds: [PATIENT], details: { rev: 1, boxSha256: BOX } },
    { idx: 2, type: "medvault.records.patient.erased.v1", patientIds: [PATIENT] },
    { idx: 4, subject: "row-check" },
  ]);
  expect(JSON.stringify(pages)).not.toMatch(/actor|192\.0\.2\.7/);
  expect((await withTicket(ticket, `/internal/row-events?from=${seq}`)).pages).toMatchObject([
    { events: [] },
  ]);
});

test("threat: a ticket that the log does not know, or knows of long ago, opens nothing", async () => {
  const [unknown, old, foreign] = [newTicket(), newTicket(), newTicket()];
  await audit.send(asked(old, { time: new Date(Date.now() - 3 * 3_600_000).toISOString() }));
  await audit.logged(seq);
  // Put beside the log's own entries in Postgres: it does not open under the log's key.
  await audit.superuser.query(
    `insert into log (idx, id, occurred_at, type, producer, patient_ids, subject, action, outcome, leaf, sealed)
     select max(idx) + 1, gen_random_uuid(), now(), 'medvault.records.row-check.opened.v1', 'records', '{}',
            'row-check', 'row:check', 'success', sha256('x'), $1 from log`,
    [hash("sha256", foreign, "buffer")],
  );
  for (const ticket of [unknown, old, foreign]) expect((await withTicket(ticket)).status).not.toBe(200);
  await audit.superuser.query("delete from log where idx = (select max(idx) from log)");
});

test("threat: a ticket opens no other route, and nobody signed in has this one", async () => {
  const ticket = newTicket();
  await audit.send(asked(ticket));
  await audit.logged(seq);
  expect((await withTicket(ticket, "/v1/audit/events")).status).toBe(401);
  expect((await withTicket(ticket, `/internal/patients/${PATIENT}/events`)).status).not.toBe(200);
  for (const role of ["admin", "auditor", "doctor"] as const)
    expect((await audit.as(role).get("/internal/row-events?from=0")).status, role).toBe(401);
});
