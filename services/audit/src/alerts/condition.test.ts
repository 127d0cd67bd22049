import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { DEFAULTS, NOON } from "../../test/alert-facts.ts";
import { event, type GivenLog, givenLog } from "../../test/log-harness.ts";
import type { Context } from "../context.ts";
import type { LogWriter } from "../log/writer.service.ts";
import { newestAlerts } from "./alert.store.ts";
import { observeLog, observeOwn } from "./condition.service.ts";
import { Detector } from "./detection.service.ts";
import { rulesOf } from "./every-rule.ts";

const DAY = 86_400_000;
let log: GivenLog;
let writer: LogWriter;
beforeAll(async () => {
  log = await givenLog();
});
beforeEach(async () => {
  await log.reset();
  await log.superuser.query("truncate alerts, alert_windows");
  writer = await log.writing();
});
afterAll(() => log.end());

/** What the states of MedVault are told from, at a moment. */
function contextAt(ms: number, own: Partial<Pick<Context, "writer" | "arrivals">> = {}): Context {
  const now = () => new Date(ms);
  const { pool, seal } = log;
  const logger = { warn() {} } as never;
  const detector = new Detector({ pool, seal, logger, now }, { rules: rulesOf(DEFAULTS, null) });
  return { pool, detector, alertSettings: DEFAULTS, now, ...own } as Context;
}
const found = async () =>
  (await newestAlerts(log.pool, {}, undefined, 100)).map(({ rule, subject }) => [rule, subject]).sort();
const happened = (seq: number, type: string, ms: number) =>
  event(seq, { type, time: new Date(ms).toISOString(), data: { actor: null, patientIds: [] } });

test("entries that no checkpoint covers for two minutes are an alert, once", async () => {
  await log.append(writer, [happened(1, "medvault.records.patient.read.v1", NOON)]);
  await log.published(1);
  for (const minute of [0, 1, 2, 3]) await observeLog(contextAt(NOON + minute * 60_000));
  expect(await found()).toEqual([]);
  await log.superuser.query("delete from checkpoints");
  for (const minute of [4, 5]) await observeLog(contextAt(NOON + minute * 60_000));
  expect(await found()).toEqual([]);
  for (const minute of [6, 7]) await observeLog(contextAt(NOON + minute * 60_000));
  expect(await found()).toEqual([["checkpoint_overdue", "checkpoint/0"]]);
});

test("backups of which none was verified for eight days are an alert; without any, or with a late one, none is", async () => {
  await observeLog(contextAt(NOON));
  await log.append(writer, [happened(1, "medvault.backup.backup.created.v1", NOON - 9 * DAY)]);
  await log.published(1);
  await observeLog(contextAt(NOON - 2 * DAY));
  expect(await found()).toEqual([]);
  await observeLog(contextAt(NOON));
  expect(await found()).toEqual([["backup_unverified", "backup"]]);
  await log.superuser.query("truncate alerts, alert_windows");
  await log.append(writer, [happened(2, "medvault.backup.backup.verified.v1", NOON - DAY)]);
  await log.published(2);
  await observeLog(contextAt(NOON));
  expect(await found()).toEqual([]);
});

test("service keys that were not rotated for 400 days are an alert each", async () => {
  await log.append(writer, [
    happened(1, "medvault.records.patient.read.v1", NOON - 401 * DAY),
    happened(2, "medvault.records.keys.rotate.v1", NOON - 30 * DAY),
  ]);
  await log.published(2);
  await observeLog(contextAt(NOON));
  const services = ["audit", "auth", "backup", "files"];
  expect(await found()).toEqual(services.map((name) => ["key_rotation_overdue", `service-key/${name}`]));
});

test("a log that nobody may write for a minute is an alert, and a writer that refuses is one at once", async () => {
  await writer.stop();
  await log.superuser.query("update writer set lease_until = now() - interval '90 seconds'");
  await observeLog(contextAt(NOON));
  const refusing = {
    state: () => ({ phase: "refusing", refusal: { code: "foreign_entry", words: "entry 7" } }),
  };
  await observeOwn(contextAt(NOON, { writer: refusing as never }));
  expect(await found()).toEqual([
    ["writer_refusing", "audit/lease"],
    ["writer_refusing", "audit/writer"],
  ]);
});

test("numbers that stay away are an alert of their producer; the third look finds it", async () => {
  const arrivals = new Map([
    [
      "records 1",
      {
        producer: "records",
        epoch: 1,
        received: [
          { from: 1, to: 3 },
          { from: 5, to: 9 },
        ],
        heartbeatSeq: null,
      },
    ],
  ]);
  const writing = { state: () => ({ phase: "writing", refusal: null }) };
  const own = { writer: writing as never, arrivals: { arrivals } as never };
  for (const second of [0, 20]) await observeOwn(contextAt(NOON + second * 1000, own));
  expect(await found()).toEqual([]);
  await observeOwn(contextAt(NOON + 40_000, own));
  expect(await found()).toEqual([["audit_gap", "producer/records"]]);
});
