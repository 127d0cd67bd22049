import { afterAll, beforeAll, expect, test } from "vitest";
import { events, type GivenLog, givenLog } from "../../test/log-harness.ts";
import { givenPartitions } from "../../test/partitions.ts";
import { checkStanding } from "./standing-check.service.ts";

let log: GivenLog;
beforeAll(async () => {
  log = await givenLog();
});
afterAll(() => log.end());

test("threat: a partition that a superuser drops is found at once, without the entries being read", async () => {
  await givenPartitions(log.superuser, 256, 4);
  const writer = await log.writing();
  await log.append(writer, events(600));
  await log.published(600);
  await writer.stop();
  const found = async () => (await checkStanding(log.context, null, 0)).found;
  expect(await found()).toEqual([]);
  await log.superuser.query("drop table log_256");
  expect(await found()).toEqual([{ fault: "entry_deleted", index: 256 }]);
});
