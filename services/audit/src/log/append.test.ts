import { watchStatements } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { event, events, type GivenLog, givenLog } from "../../test/log-harness.ts";

let log: GivenLog;
beforeAll(async () => {
  log = await givenLog();
});
afterAll(() => log.end());

test.each([1, 500])(
  "%i events go into the log by one statement in the consumer's transaction, where the writer knows its end",
  async (count) => {
    const writer = await log.writing({ checkpointMs: 5_000, leaseMs: 60_000 });
    const auth = { source: "/medvault/auth", type: "medvault.auth.session.created.v1" };
    await log.append(writer, [event(1, auth)]);
    await log.published(1); // what it publishes later is not counted
    const sent = watchStatements();
    await log.append(writer, [...events(count), event(2, auth)]);
    sent.stop();
    const inTransaction = sent.texts.slice(sent.texts.findIndex((text) => text.startsWith("begin")) + 1);
    expect(inTransaction.slice(0, 2)).toEqual([expect.stringContaining("insert into log"), "commit"]);
    const { rows } = await log.superuser.query(
      "select producer, upper(received) - 1 as last, (select size from writer) as size from sequences order by producer",
    );
    const size = String(count + 2);
    expect(rows).toEqual([
      { producer: "auth", last: "2", size },
      { producer: "records", last: String(count), size },
    ]);
    await log.reset();
  },
);

test("a batch that comes again with new events, or beside the same one, is logged once", async () => {
  const writer = await log.writing({ leaseMs: 60_000 });
  const some = events(15);
  await log.append(writer, some.slice(0, 3));
  await log.append(writer, some.slice(1, 5));
  await Promise.all([log.append(writer, some.slice(4, 14)), log.append(writer, some.slice(4, 14))]);
  await log.append(writer, some.slice(14));
  await log.published(15);
  expect(await log.verify()).toEqual({ size: 15, checkpointSize: 15, ok: true });
});
