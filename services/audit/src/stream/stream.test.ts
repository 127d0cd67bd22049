import { type AuditEventPage, type CloudEvent, newId } from "@medvault/contracts";
import { lifecycleOf } from "@medvault/service-kit";
import { drainedEvents } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { z } from "zod";
import { startAudit, type TestAudit } from "../../test/harness.ts";
import { event, events, eventually } from "../../test/log-harness.ts";
import { follow, type Reading } from "../../test/sse.ts";

let audit: TestAudit;
let sent = 0;
const auditor = () => audit.as("auditor").actor;
beforeAll(async () => {
  audit = await startAudit();
}, 30_000);
afterAll(() => audit.end());

/** Logs these events; resolves when the log holds them. */
async function log(...some: CloudEvent[]): Promise<void> {
  await audit.send(...some);
  sent += some.length;
  await audit.logged(sent);
}
const numbered = (count: number) => events(count, sent + 1);
const came = (reading: Reading, indexes: number[]) =>
  eventually(() => expect(reading.indexes()).toEqual(indexes));
const upTo = (end: number, from = 0) => Array.from({ length: end - from }, (_, at) => from + at);

test("a reader gets what comes from now on, each entry once, in order, as a query shows it", async () => {
  await log(...numbered(3));
  const reading = await follow(audit.app, auditor());
  expect(reading.status).toBe(200);
  expect(reading.headers["content-type"]).toBe("text/event-stream; charset=utf-8");
  await log(...numbered(4));
  await came(reading, [3, 4, 5, 6]);
  const page = await audit.as("auditor").get<z.infer<typeof AuditEventPage>>("/v1/audit/events?limit=4");
  expect(reading.sent.flatMap(({ data }) => data ?? []).reverse()).toEqual(page.body.items);
  expect(reading.sent.filter(({ data }) => data).map(({ id }) => id)).toEqual([3, 4, 5, 6]);
  reading.leave();
});

test("an alert that is opened or changed comes as an event of its own name, in its place", async () => {
  const reading = await follow(audit.app, auditor());
  const from = sent;
  const entry = (at: number, type: string, source = "/medvault/audit") => event(from + at, { type, source });
  await audit.append(audit.writer, [
    entry(1, "medvault.audit.alert.opened.v1"),
    entry(2, "medvault.records.record.read.v1", "/medvault/records"),
    entry(3, "medvault.audit.alert.changed.v1"),
    entry(4, "medvault.audit.alert.listed.v1"),
  ]);
  sent += 4;
  await came(reading, upTo(from + 4, from));
  const names = reading.sent.filter(({ data }) => data).map(({ event: name }) => name);
  expect(names).toEqual(["alert", "message", "alert", "message"]);
  reading.leave();
});

test("with an id the reader goes on behind it: the header counts more than the address", async () => {
  const all = await follow(audit.app, auditor(), "?after=-1");
  await came(all, upTo(sent));
  const behind = await follow(audit.app, auditor(), "?after=2");
  await came(behind, upTo(sent, 3));
  const again = await follow(audit.app, auditor(), "?after=2", { lastEventId: sent - 2 });
  await came(again, [sent - 1]);
  for (const reading of [all, behind, again]) reading.leave();
});

test("ids that are none, or are beyond the log, are 400", async () => {
  for (const search of ["?after=x", "?after=-2", "?after=1e3", "?after=100000", "?limit=3", "?outcome=maybe"])
    expect((await follow(audit.app, auditor(), search)).status, search).toBe(400);
  for (const lastEventId of ["x", "-2", "100000", "1,2"])
    expect((await follow(audit.app, auditor(), "", { lastEventId })).status, lastEventId).toBe(400);
});

test("the filters of a stream find what those of a query find, in what comes and in what is there", async () => {
  const [patient, doctor] = [newId(), newId()];
  const from = sent;
  const all = [
    ...numbered(2),
    event(sent + 3, {
      subject: "claim/1",
      type: "medvault.records.claim.paid.v1",
      data: { actor: { id: doctor, role: "doctor", sessionId: null }, patientIds: [newId(), patient] },
    }),
    event(sent + 4, { requestid: "asked-for", data: { action: "claim:read", outcome: "denied" } }),
    event(sent + 5, { data: { from: { ip: "198.51.100.9", userAgent: "x" }, actor: null } }),
  ];
  const time = all[3]?.time;
  const filters = [
    ...[`actorId=${doctor}`, `patientId=${patient}`, `patientId=${patient.toUpperCase()}`, "subject=claim/1"],
    ...["type=medvault.records.claim.paid.v1", "action=claim:read", "outcome=denied", "ip=198.51.100.9"],
    ...["requestId=asked-for", `from=${time}`, `to=${time}`, `from=${time?.replace("000Z", "0001Z")}`],
    ...[`patientId=${patient}&outcome=denied`, "outcome=failure", `actorId=${doctor}&subject=claim/1`],
  ];
  const live = await Promise.all(filters.map((filter) => follow(audit.app, auditor(), `?${filter}`)));
  await log(...all);
  for (const [at, filter] of filters.entries()) {
    const { body } = await audit
      .as("auditor")
      .get<z.infer<typeof AuditEventPage>>(`/v1/audit/events?${filter}&limit=100`);
    const found = body.items.map(({ index }) => index).filter((index) => index >= from);
    const later = await follow(audit.app, auditor(), `?${filter}&after=${from - 1}`);
    for (const reading of [live[at] as Reading, later]) {
      // A heartbeat says that all was looked through.
      await eventually(() => expect(reading.lastId()).toBe(sent - 1));
      expect(reading.indexes(), filter).toEqual(found.sort((a, b) => a - b));
      reading.leave();
    }
  }
});

test("of readers who are cut off at any moment, at two replicas, none misses an entry or gets one twice", async () => {
  const replica = await audit.replica();
  const apps = [audit.app, replica.app];
  const from = sent;
  const total = 600;
  const sending = (async () => {
    for (let batch = 0; batch < total / 20; batch += 1) await log(...numbered(20));
  })();
  let cuts = 0;
  const readers = Array.from({ length: 8 }, async (_, at) => {
    const got: number[] = [];
    for (let turn = at, lastEventId: number | null = from - 1; got.length < total; turn += 1) {
      const reading: Reading = await follow(apps[turn % 2] as TestAudit["app"], auditor(), "", {
        lastEventId,
      });
      const enough = got.length + Math.floor(Math.random() * 60);
      await eventually(() => {
        const soFar = got.length + reading.indexes().length;
        expect(soFar >= Math.min(enough, total)).toBe(true);
      });
      reading.leave();
      lastEventId = reading.lastId() ?? lastEventId;
      got.push(...reading.indexes());
      cuts += 1;
    }
    return got;
  });
  const all = await Promise.all(readers);
  await sending;
  for (const got of all) expect(got).toEqual(upTo(from + total, from));
  expect(cuts).toBeGreaterThan(8);
  await replica.close();
}, 60_000);

test("whoever may not read the whole log gets no stream of it", async () => {
  for (const [role, status] of [
    ["patient", 403],
    ["doctor", 403],
    ["guest", 401],
  ] as const)
    expect((await follow(audit.app, audit.as(role).actor)).status, role).toBe(status);
});

test("a stream is in the log when it opens, with its filters, and when it ends, with what it sent", async () => {
  await drainedEvents(audit.pool);
  const who = auditor();
  const patientId = newId();
  const first = sent;
  const reading = await follow(audit.app, who, `?patientId=${patientId}&outcome=success`);
  const opened = await drainedEvents(audit.pool);
  expect(opened).toMatchObject([
    {
      type: "medvault.audit.log.streamed.v1",
      data: {
        actor: { id: who.id },
        patientIds: [patientId],
        fields: ["patientId", "outcome"],
        details: { first },
      },
    },
  ]);
  await log(...numbered(1), event(sent + 2, { data: { patientIds: [patientId] } }));
  await came(reading, [first + 1]);
  reading.leave();
  await eventually(async () => {
    const { rows } = await audit.superuser.query("select count(*)::int as n from outbox");
    expect(rows[0].n).toBe(1);
  });
  expect(await drainedEvents(audit.pool)).toMatchObject([
    {
      type: "medvault.audit.log.stream-ended.v1",
      data: {
        actor: { id: who.id },
        patientIds: [patientId],
        details: { first, next: first + 2, sent: 1, reason: "reader_left" },
      },
    },
  ]);
});

test("a reader who takes nothing is cut off and resumes by its last id; the others get everything", async () => {
  const from = sent;
  await drainedEvents(audit.pool);
  const stuck = await follow(audit.app, auditor(), `?after=${from - 1}`, { reads: false });
  stuck.res.pause();
  const reading = await follow(audit.app, auditor(), `?after=${from - 1}`);
  const large = { data: { from: { ip: "192.0.2.1", userAgent: "x".repeat(400) } } };
  for (let batch = 0; batch < 60; batch += 1)
    await audit.send(...Array.from({ length: 100 }, (_, at) => event(sent + 100 * batch + at + 1, large)));
  sent += 6_000;
  await came(reading, upTo(sent, from));
  await eventually(async () => {
    const ends = (await drainedEvents(audit.pool)).filter(({ type }) => type.endsWith("stream-ended.v1"));
    expect(ends.map(({ data }) => data.details?.reason)).toContain("reader_stalled");
  });
  const got: number[] = [];
  const again = await follow(audit.app, auditor(), "", { lastEventId: from + got.length - 1 });
  await came(again, upTo(sent, from));
  for (const each of [stuck, again, reading]) each.leave();
}, 60_000);

test("what no writer appended is not shown as the newest entry", async () => {
  const reading = await follow(audit.app, auditor());
  await audit.writer.stop();
  await audit.superuser.query(
    `insert into log (idx, id, occurred_at, type, producer, patient_ids, subject, action, outcome, leaf, sealed)
     select $1, gen_random_uuid(), now(), type, producer, patient_ids, subject, action, outcome, leaf, sealed from log where idx = 0`,
    [sent],
  );
  const beats = reading.sent.length;
  await eventually(() => expect(reading.sent.length).toBeGreaterThan(beats + 1));
  expect(reading.indexes()).toEqual([]);
  expect(reading.lastId()).toBe(sent - 1);
  await audit.superuser.query("delete from log where idx = $1", [sent]);
  reading.leave();
});

test("a stop ends every stream whole, and its event is there before the service has stopped", async () => {
  await drainedEvents(audit.pool);
  const readings = await Promise.all([1, 2, 3].map(() => follow(audit.app, auditor())));
  lifecycleOf(audit.app).drain();
  await Promise.all(readings.map(({ ended }) => ended));
  for (const { res } of readings) expect(res.complete).toBe(true);
  const reasons = (await drainedEvents(audit.pool)).map(({ data }) => data.details?.reason);
  expect(reasons.filter((reason) => reason === "service_stopped")).toHaveLength(3);
});
