import { watchStatements } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { event, events, type GivenLog, givenLog } from "../../test/log-harness.ts";

let log: GivenLog;
beforeAll(async () => {
  log = await givenLog();
});
afterAll(() => log.end());

test.each([1, 500])(
  "%i events go into the log by two statements in the consumer's transaction",
  async (count) => {
    const writer = await log.writing({ checkpointMs: 5_000, leaseMs: 60_000 });
    const sent = watchStatements();
    const auth = { source: "/medvault/auth", type: "medvault.auth.session.created.v1" };
    await log.append(writer, [...events(count), event(1, auth)]);
    sent.stop();
    const inTransaction = sent.texts.slice(sent.texts.findIndex((text) => text.startsWith("begin")) + 1);
    expect(inTransaction.slice(0, 3)).toEqual([
      expect.stringContaining("for update"),
      expect.stringContaining("insert into log"),
      "commit",
    ]);
    const { rows } = await log.superuser.query(
      "select producer, upper(received) - 1 as last, (select size from writer) as size from sequences order by producer",
    );
    const size = String(count + 1);
    expect(rows).toEqual([
      { producer: "auth", last: "1", size },
      { producer: "records", last: String(count), size },
    ]);
    await log.reset();
  },
);
