import { newId } from "@medvault/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DEFAULTS, NOON } from "../../test/alert-facts.ts";
import { event, type GivenLog, givenLog } from "../../test/log-harness.ts";
import { tryRules } from "./trial.service.ts";

let log: GivenLog;
const [curious, attacker] = [newId(), newId()];
beforeAll(async () => {
  log = await givenLog();
  const writer = await log.writing();
  const denied = (seq: number, minutes: number) =>
    event(seq, {
      type: "medvault.records.request.denied.v1",
      time: new Date(NOON + minutes * 60_000).toISOString(),
      data: {
        ...{ actor: { id: curious, role: "doctor", sessionId: null }, patientIds: [], outcome: "denied" },
        decision: { allowed: false, reason: "not_found" },
      },
    });
  const screened = event(9, {
    type: "medvault.gateway.screening.hit.v1",
    source: "/medvault/gateway/a1",
    time: new Date(NOON).toISOString(),
    data: {
      ...{ actor: { id: attacker, role: "patient", sessionId: null }, patientIds: [], outcome: "denied" },
      details: { kind: "sql" },
    },
  });
  await log.append(writer, [denied(1, -3_000), denied(2, 0), screened, denied(3, 5), denied(4, 10)]);
});
afterAll(() => log.end());

const trial = (over: Partial<Parameters<typeof tryRules>[2]> = {}) =>
  tryRules(log.pool, log.keyring, {
    ...{ since: new Date(NOON - 60_000), rules: [], settings: DEFAULTS, locate: null, progress() {} },
    ...over,
  });
const named = async (over?: Parameters<typeof trial>[0]) =>
  (await trial(over)).alerts.map(({ rule, count }) => [rule, count]).sort();

test("the rules say what they would have found since then, by the defaults or by other thresholds", async () => {
  expect(await named()).toEqual([
    ["denials", 3],
    ["injection", 1],
  ]);
  const { entries, alerts } = await trial({ rules: ["denials"] });
  expect(entries).toBe(4);
  expect(alerts).toMatchObject([
    { rule: "denials", severity: "medium", firstAt: new Date(NOON).toISOString() },
  ]);
  expect(alerts[0]?.why).toBe(
    `${curious} was refused 3 times from 2026-05-10T12:00:00Z to 2026-05-10T12:10:00Z (limit 3 in 15 min)`,
  );
  expect(await named({ settings: { ...DEFAULTS, denials: 4 } })).toEqual([["injection", 1]]);
  const wide = { ...DEFAULTS, denials: 4, denialsMinutes: 1_440 };
  expect(await named({ settings: wide, since: new Date(0) })).toEqual([["injection", 1]]);
  expect(await named({ since: new Date(NOON + 60_000) })).toEqual([]);
});

test("nothing is written: no alert, no window, no event, and the cursor stays", async () => {
  await trial();
  for (const table of ["alerts", "alert_windows", "outbox"])
    expect((await log.superuser.query(`select from ${table}`)).rowCount, table).toBe(0);
  const { rows } = await log.superuser.query("select idx, owner from alert_cursor");
  expect(rows).toEqual([{ idx: "0", owner: null }]);
  // The connection is as it was for the next one who has it.
  await log.pool.query("delete from alert_windows");
});
