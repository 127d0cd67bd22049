import type { CloudEvent } from "@medvault/contracts";
import { newId } from "@medvault/contracts";
import { drainedEvents } from "@medvault/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { DEFAULTS, NOON } from "../../test/alert-facts.ts";
import { event, type GivenLog, givenLog } from "../../test/log-harness.ts";
import type { LogWriter } from "../log/writer.service.ts";
import { newestAlerts } from "./alert.store.ts";
import type { Alert } from "./alert.ts";
import { Detector } from "./detection.service.ts";
import { rulesOf } from "./every-rule.ts";

let log: GivenLog;
let writer: LogWriter;
beforeAll(async () => {
  log = await givenLog();
});
beforeEach(async () => {
  await log.reset();
  await log.superuser.query("truncate alerts, alert_windows");
  await log.superuser.query(
    "update alert_cursor set idx = 0, last_id = null, owner = null, lease_until = null",
  );
  writer = await log.writing();
});
afterAll(() => log.end());

const detector = (leaseMs?: number) =>
  new Detector(
    { pool: log.pool, seal: log.seal, logger: { warn() {} } as never, now: () => new Date() },
    { rules: rulesOf(DEFAULTS, null), ...(leaseMs && { leaseMs }) },
  );
const looked = (by = detector()) => by.run(new AbortController().signal);
const alerts = (): Promise<Alert[]> => newestAlerts(log.pool, {}, undefined, 100);

let seq = 0;
const at = (seconds: number) => new Date(NOON + seconds * 1000).toISOString();
function failedSignIn(seconds: number, userId: string, ip = "192.0.2.7"): CloudEvent {
  seq += 1;
  return event(seq, {
    source: "/medvault/auth",
    type: "medvault.auth.login.failed.v1",
    subject: `user/${userId}`,
    time: at(seconds),
    data: {
      actor: { id: "guest", role: "guest", sessionId: null },
      from: { ip, userAgent: "vitest" },
      patientIds: [],
      action: "login:try",
      outcome: "denied",
      decision: { allowed: false, reason: "invalid_credentials" },
    },
  });
}

test("five failed sign-ins within five minutes are one alert of the account, which counts on", async () => {
  const [user, by] = [newId(), detector()];
  const first = [0, 60, 120, 299].map((s, i) => failedSignIn(s, user, `192.0.2.${i}`));
  await log.append(writer, first);
  await looked(by);
  expect(await alerts()).toEqual([]);
  const fifth = failedSignIn(300, user, "192.0.2.9");
  await log.append(writer, [fifth]);
  await looked(by);
  await log.append(writer, [failedSignIn(400, user, "192.0.2.10")]);
  await looked(by);
  const [alert, ...others] = await alerts();
  expect(others).toEqual([]);
  expect(alert).toMatchObject({
    rule: "failed_sign_ins",
    severity: "medium",
    state: "open",
    actorId: user,
    count: 6,
    firstAt: new Date(at(0)),
    lastAt: new Date(at(400)),
  });
  expect(alert?.why).toContain(
    `5 sign-ins to account ${user} failed from 2026-05-10T12:00:00Z to 2026-05-10T12:05:00Z`,
  );
  expect(alert?.events.slice(0, 5)).toEqual([...first, fifth].map(({ id }) => id));
  const events = (await drainedEvents(log.pool)).filter(({ type }) =>
    type.startsWith("medvault.audit.alert."),
  );
  expect(events).toMatchObject([
    {
      type: "medvault.audit.alert.opened.v1",
      subject: `alert/${alert?.id}`,
      data: { actor: null, patientIds: [] },
    },
  ]);
});

test("four within the window and a fifth after it are none", async () => {
  const user = newId();
  await log.append(
    writer,
    [0, 60, 120, 299, 301].map((s, i) => failedSignIn(s, user, `192.0.2.${i}`)),
  );
  await looked();
  expect(await alerts()).toEqual([]);
});
