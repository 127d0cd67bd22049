import { afterAll, beforeAll, expect, test } from "vitest";
import { event, events, type GivenLog, givenLog } from "../../test/log-harness.ts";

const heartbeat = (seq: number) =>
  event(seq, {
    type: "medvault.records.producer.heartbeat.v1",
    data: { details: { epoch: 1, lastSeq: seq } },
  });

let log: GivenLog;
beforeAll(async () => {
  log = await givenLog();
  const writer = await log.writing();
  // 1 to 20 without 7 and 8, the later ones first, 3 twice.
  await log.append(writer, [...events(12, 9), ...events(6), event(3), heartbeat(21)]);
  await log.append(writer, [
    event(1, { source: "/medvault/auth", type: "medvault.auth.session.created.v1" }),
  ]);
  await log.published(21);
});
afterAll(() => log.end());

test("the numbers that are kept are those of the entries, whatever their order", async () => {
  expect(await log.verify()).toMatchObject({ ok: true });
});

test.each([
  ["a gap that is filled", "update sequences set received = '{[1,22)}' where producer = 'records'"],
  ["a number that is taken away", "update sequences set received = received - '{[20,22)}'::int8multirange"],
  ["a heartbeat set back", "update sequences set heartbeat_seq = 20 where producer = 'records'"],
  ["a heartbeat taken away", "update sequences set heartbeat_seq = null where producer = 'records'"],
  ["a producer taken away", "delete from sequences where producer = 'records'"],
  ["a producer that never sent", "insert into sequences select 'files', 1, '{[1,5)}', 0, now()"],
])("%s in the table of what arrived is found", async (_, sql) => {
  await log.superuser.query("create temp table kept as select * from sequences");
  try {
    await log.superuser.query(sql);
    expect(await log.verify()).toMatchObject({
      ok: false,
      reason: expect.stringContaining("numbers kept of"),
    });
  } finally {
    await log.superuser.query("truncate sequences");
    await log.superuser.query("insert into sequences select * from kept");
    await log.superuser.query("drop table kept");
  }
  expect(await log.verify()).toMatchObject({ ok: true });
});
