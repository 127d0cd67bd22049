import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { inTransaction } from "@medvault/postgres";
import { loadConfig } from "@medvault/service-kit";
import { drainedEvents, startTestService, type TestService, testLogger } from "@medvault/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { AuditConfig } from "../config.ts";
import type { Context } from "../context.ts";
import { service } from "../service.ts";
import { deliveryMetrics } from "./delivery.jobs.ts";
import { queueDeliveries, sendDue, tidyDeliveries } from "./delivery.service.ts";
import { type AlertNotice, KEEP_TRYING_MS, retryAfterMs } from "./delivery.ts";

const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const MINUTE_MS = 60_000;
let offsetMs = 0;
const startedMs = Date.now();
const now = () => new Date(startedMs + offsetMs);

/** What the webhook got, by its ids; what it answers next. */
const got: { id: string; body: { type: string; data: AlertNotice } }[] = [];
let answers: number[] = [];
const webhook = createServer((req, res) => {
  let text = "";
  req.on("data", (piece) => {
    text += piece;
  });
  req.on("end", () => {
    got.push({ id: String(req.headers["webhook-id"]), body: JSON.parse(text) });
    res.writeHead(answers.shift() ?? 200).end();
  });
});

let dir: string;
let audit: TestService<Context>;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), "medvault-alerts-"));
  await new Promise<void>((resolve) => webhook.listen(0, "127.0.0.1", resolve));
  audit = await startTestService(service, {
    now,
    env: {
      MEDVAULT_AUDIT_DIR: dir,
      MEDVAULT_AUTH_URL: "http://127.0.0.1:1",
      MEDVAULT_RECORDS_URL: "http://127.0.0.1:1",
      MEDVAULT_ALERT_WEBHOOK_URL: `http://127.0.0.1:${(webhook.address() as AddressInfo).port}/`,
      MEDVAULT_ALERT_WEBHOOK_SECRETS: SECRET,
      MEDVAULT_ALERT_WEBHOOK_PRIVATE: "true",
      MEDVAULT_ALERT_SYSLOG_URL: "tls://127.0.0.1:1",
    },
  });
});
afterAll(async () => {
  await audit?.close();
  webhook.close();
  webhook.closeAllConnections();
  await rm(dir, { recursive: true });
});
beforeEach(async () => {
  await audit.superuser("delete from audit_sys.alert_deliveries");
  await drainedEvents(audit.pool);
  got.length = 0;
  answers = [];
});

const alert = (): AlertNotice & { why: string } => ({
  ...{ id: randomUUID(), rule: "denials", severity: "high", state: "open", count: 3 },
  ...{ openedAt: now().toISOString(), lastAt: now().toISOString(), whatToDo: "Ask them." },
  events: Array.from({ length: 150 }, () => randomUUID()),
  why: "what is not to leave: 203.0.113.7",
});
const queue = (notice: AlertNotice, rev = 1, change: "opened" | "changed" = "opened") =>
  inTransaction(audit.pool, (tx) => queueDeliveries(audit.context, tx, notice, { change, rev }));
const onlyWebhook = () =>
  ({ ...audit.context, channels: { webhook: audit.context.channels.webhook } }) as Context;
const send = (context: Context = onlyWebhook()) => sendDue(context, new AbortController().signal);
const tidy = () => tidyDeliveries(audit.context, new AbortController().signal);
const rows = async (channel = "webhook") =>
  (
    await audit.pool.query(
      `select attempts, reason, sent_at is not null as sent, given_up_at is not null as "givenUp", next_at
         from alert_deliveries where channel = $1 order by id`,
      [channel],
    )
  ).rows;

test("an alert goes out by every channel, once, in the transaction that opened it, and not what stays inside", async () => {
  const one = alert();
  await inTransaction(audit.pool, async (tx) => {
    await queueDeliveries(audit.context, tx, alert(), { change: "opened", rev: 1 });
    throw new Error("rolled back");
  }).catch(() => {});
  await queue(one);
  await queue(one); // the same state again
  await queue({ ...one, state: "closed" }, 2, "changed");
  expect([(await rows()).length, (await rows("syslog")).length]).toEqual([2, 2]);
  await send();
  await send();
  expect(got.map(({ body }) => [body.type, body.data.id, body.data.state])).toEqual([
    ["alert.opened", one.id, "open"],
    ["alert.changed", one.id, "closed"],
  ]);
  expect(new Set(got.map(({ id }) => id)).size).toBe(2);
  expect(got[0]?.body.data.events).toHaveLength(100);
  expect(JSON.stringify(got)).not.toContain("203.0.113.7");
});

test("auth is told in the same transaction, so that it mails the alert, by codes alone", async () => {
  const one = alert();
  await queue(one);
  const [announced] = await drainedEvents(audit.pool);
  expect(announced).toMatchObject({
    type: "medvault.audit.alert.announced.v1",
    subject: `alert/${one.id}`,
    data: { patientIds: [], details: { change: "opened", rule: "denials", severity: "high", count: 3 } },
  });
});

test("what was refused is tried again, later and later, under the same id, until it is taken", async () => {
  answers = [500, 503, 302];
  await queue(alert());
  for (let attempts = 1; attempts <= 3; attempts++) {
    await send();
    const [row] = await rows();
    expect(row).toMatchObject({ attempts, sent: false, reason: `status_${[500, 503, 302][attempts - 1]}` });
    const waitMs = row.next_at.getTime() - now().getTime();
    expect(waitMs).toBeGreaterThanOrEqual(retryAfterMs(attempts, 0));
    expect(waitMs).toBeLessThanOrEqual(retryAfterMs(attempts, 1));
    await send(); // not due yet
    expect(got).toHaveLength(attempts);
    offsetMs += waitMs + 1;
  }
  await send();
  expect(await rows()).toMatchObject([{ attempts: 4, sent: true, reason: null }]);
  expect(got).toHaveLength(4);
  expect(new Set(got.map(({ id }) => id)).size).toBe(1);
});

test("a receiver that refuses is left in peace: one try, and the rest waits", async () => {
  for (let count = 0; count < 5; count++) await queue(alert());
  answers = [503];
  await send();
  expect(got).toHaveLength(1);
  await send();
  expect(got).toHaveLength(5); // the one that failed waits its turn
});

test("a process that is killed while it sends leaves the alert to the next, under the same id", async () => {
  await queue(alert());
  const killed = {
    ...audit.context,
    channels: { webhook: { send: () => new Promise<void>(() => {}) } }, // it never comes back
  } as Context;
  void send(killed);
  await expect.poll(async () => (await rows())[0]?.attempts).toBe(1);
  await send();
  expect(got).toEqual([]); // it may still be on its way
  offsetMs += MINUTE_MS + 1;
  await send();
  expect(await rows()).toMatchObject([{ attempts: 2, sent: true }]);
  expect(got).toHaveLength(1);
});

test("two replicas send each alert once", async () => {
  for (let count = 0; count < 30; count++) await queue(alert());
  await Promise.all([send(), send(), send()]);
  expect(got).toHaveLength(30);
  expect(new Set(got.map(({ id }) => id)).size).toBe(30);
});

test("a channel that is away holds up no other, and after a day its alert is given up, with an event", async () => {
  const one = alert();
  await queue(one);
  await send(audit.context);
  expect(await rows()).toMatchObject([{ sent: true }]);
  expect(await rows("syslog")).toMatchObject([{ sent: false, reason: "connection_refused" }]);
  offsetMs += KEEP_TRYING_MS;
  await drainedEvents(audit.pool);
  await send(audit.context);
  expect(await rows("syslog")).toMatchObject([{ attempts: 2, givenUp: true }]);
  const [event] = await drainedEvents(audit.pool);
  expect(event).toMatchObject({
    type: "medvault.audit.alert.undelivered.v1",
    subject: `alert/${one.id}`,
    data: { outcome: "failure", decision: { reason: "connection_refused" } },
  });
  expect(event?.data.details).toMatchObject({ channel: "syslog", attempts: 2 });
  const [metric] = deliveryMetrics(audit.context);
  expect(await metric?.read()).toContainEqual({ labels: { channel: "syslog", state: "given_up" }, value: 1 });
});

test("a receiver that is gone for good (410) is asked once", async () => {
  answers = [410];
  await queue(alert());
  await send();
  expect(await rows()).toMatchObject([{ attempts: 1, givenUp: true, reason: "status_410" }]);
});

test("what waits for a channel that was taken out of the settings is given up after a day, and forgotten after a month", async () => {
  await queue(alert());
  await tidy();
  expect(await rows("syslog")).toMatchObject([{ givenUp: false }]);
  offsetMs += KEEP_TRYING_MS + 1;
  await tidy();
  expect(await rows("syslog")).toMatchObject([{ givenUp: true, reason: "no_channel" }]);
  offsetMs += 30 * KEEP_TRYING_MS;
  await tidy();
  expect(await rows("syslog")).toEqual([]);
});

test("waits grow from seconds to a quarter of an hour, and are spread", () => {
  expect([1, 2, 3, 9, 40].map((attempts) => retryAfterMs(attempts, 1))).toEqual([
    5_000, 10_000, 20_000, 900_000, 900_000,
  ]);
  expect(retryAfterMs(1, 0)).toBe(2_500);
});

test("an admin tries all channels at once, learns what came of each, and it is in the log; others may not", async () => {
  const admin = audit.someone("admin");
  const answer = await admin.post("/v1/audit/alerts/test", {});
  expect(answer).toMatchObject({
    status: 200,
    body: {
      channels: [
        { channel: "mail", outcome: "queued", reason: null },
        { channel: "webhook", outcome: "sent", reason: null },
        { channel: "syslog", outcome: "failed", reason: "connection_refused" },
      ],
    },
  });
  expect(got[0]?.body.type).toBe("alert.test");
  const events = await drainedEvents(audit.pool);
  expect(events.find(({ type }) => type === "medvault.audit.alert.tested.v1")).toMatchObject({
    data: {
      action: "alert:test",
      details: { mail: "queued", webhook: "sent", syslog: "connection_refused" },
    },
  });
  for (const role of ["doctor", "patient"] as const)
    expect((await audit.someone(role).post("/v1/audit/alerts/test", {})).status).toBe(403);
  expect(got).toHaveLength(1);
});

test("nothing of an address, a secret or an answer is logged", async () => {
  const logger = testLogger();
  answers = [500];
  await queue(alert());
  await send({ ...audit.context, logger: logger as unknown as Context["logger"] });
  const text = JSON.stringify(logger.lines);
  expect(text).toContain("status_500");
  expect(text).not.toMatch(/whsec|127\.0\.0\.1/);
});

test("a webhook without a secret, or in the clear, and a key without its certificate stop the start, in words", () => {
  const faults = (env: Record<string, string>) => () => loadConfig(AuditConfig, { NODE_ENV: "test", ...env });
  expect(faults({ MEDVAULT_ALERT_WEBHOOK_URL: "https://siem.example/" })).toThrow(
    /MEDVAULT_ALERT_WEBHOOK_SECRETS \(missing: the webhook's receiver/,
  );
  expect(faults({ MEDVAULT_ALERT_WEBHOOK_URL: "http://siem.example/" })).toThrow(
    /MEDVAULT_ALERT_WEBHOOK_URL \(must be a URL with https/,
  );
  expect(faults({ MEDVAULT_ALERT_WEBHOOK_SECRETS: "hunter2" })).toThrow(/SECRETS \(must be `whsec_`/);
  expect(faults({ MEDVAULT_ALERT_SYSLOG_URL: "udp://log.example:514" })).toThrow(/SYSLOG_URL/);
  expect(faults({ MEDVAULT_ALERT_KEY_FILE: "/dev/null" })).toThrow(/MEDVAULT_ALERT_KEY_FILE/);
});
