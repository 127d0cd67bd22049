import { type CloudEvent, newId } from "@medvault/contracts";
import { drainedEvents } from "@medvault/testing";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { DEFAULTS, NOON } from "../../test/alert-facts.ts";
import { event, type GivenLog, givenLog } from "../../test/log-harness.ts";
import type { LogWriter } from "../log/writer.service.ts";
import { newestAlerts } from "./alert.store.ts";
import { Detector } from "./detection.service.ts";
import { forgetWindows } from "./detection.store.ts";
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

const detector = ({ pool = log.pool, leaseMs = 5_000 } = {}) =>
  new Detector(
    { pool, seal: log.seal, logger: { warn() {} } as never, now: () => new Date() },
    { rules: rulesOf(DEFAULTS, null), leaseMs },
  );
/** The lease of the process before is over. */
async function looked(by = detector()): Promise<void> {
  await log.superuser.query("update alert_cursor set lease_until = now()");
  await by.run(new AbortController().signal);
}
const found = () => newestAlerts(log.pool, {}, undefined, 1_000);
const rowsIn = async (table: "alerts" | "alert_windows") =>
  (await log.superuser.query<{ n: number }>(`select count(*)::int as n from ${table}`)).rows[0]?.n ?? 0;

let seq = 0;
function at(seconds: number, over: Parameters<typeof event>[1]): CloudEvent {
  seq += 1;
  return event(seq, { time: new Date(NOON + seconds * 1000).toISOString(), ...over });
}
const nobody = { id: "guest", role: "guest", sessionId: null } as const;
const address = (n: number) => `2001:db8:${(n >> 16).toString(16)}:${(n & 0xffff).toString(16)}::1`;
const screened = (seconds: number, actor: CloudEvent["data"]["actor"], ip: string, count: number) =>
  at(seconds, {
    source: "/medvault/gateway/a1",
    type: "medvault.gateway.screening.hit.v1",
    subject: "address/x",
    data: {
      ...{ actor, patientIds: [], action: "request:refuse", outcome: "denied" },
      ...{
        from: { ip, userAgent: "" },
        decision: { allowed: false, reason: "sql" },
        details: { kind: "sql", count },
      },
    },
  });
const failedSignIn = (seconds: number, user: string, ip: string) =>
  at(seconds, {
    source: "/medvault/auth",
    type: "medvault.auth.login.failed.v1",
    subject: `user/${user}`,
    data: {
      ...{ actor: nobody, patientIds: [], action: "login:try", outcome: "denied" },
      ...{ from: { ip, userAgent: "" }, decision: { allowed: false, reason: "invalid_credentials" } },
    },
  });
async function logged(events: readonly CloudEvent[]): Promise<void> {
  for (let done = 0; done < events.length; done += 1_000)
    await log.append(writer, events.slice(done, done + 1_000));
}

test("100,000 attacks of guests from 1,000 addresses are one alert, and the one signed-in attacker another", async () => {
  const attacker = { id: newId(), role: "doctor", sessionId: null } as const;
  const flood = Array.from({ length: 1_000 }, (_, n) => screened(n / 2, null, address(n), 100));
  await logged([...flood.slice(0, 700), screened(350, attacker, address(1), 1), ...flood.slice(700)]);
  await looked();
  const alerts = await found();
  expect(alerts.map(({ rule, count, actorId }) => [rule, Number(count), actorId]).sort()).toEqual([
    ["guest_attacks", 100_000, null],
    ["injection", 1, attacker.id],
  ]);
  expect(await rowsIn("alert_windows")).toBeLessThan(10);
});

test("failed sign-ins of 400 accounts from 400 addresses fill no table, and hide no person who is refused", async () => {
  const curious = { id: newId(), role: "doctor", sessionId: null } as const;
  const users = Array.from({ length: 400 }, newId);
  const flood = [0, 1, 2, 3, 4].flatMap((s) => users.map((user, n) => failedSignIn(s, user, address(n))));
  const denied = [0, 1, 2].map((s) =>
    at(s, {
      type: "medvault.records.request.denied.v1",
      data: {
        actor: curious,
        patientIds: [],
        outcome: "denied",
        decision: { allowed: false, reason: "not_found" },
      },
    }),
  );
  await logged([...flood, ...denied]);
  await looked();
  const alerts = await found();
  const byRule = Map.groupBy(alerts, ({ rule }) => rule);
  expect(byRule.get("denials")).toMatchObject([{ actorId: curious.id, count: 3 }]);
  for (const rule of ["failed_sign_ins", "failed_sign_ins_from_address"] as const) {
    const ofRule = byRule.get(rule) ?? [];
    expect(ofRule).toHaveLength(51);
    // 50 are told apart; one alert counts the sign-ins of all the others.
    expect(ofRule.filter(({ subject }) => subject === "guests/others")).toMatchObject([{ count: 350 * 5 }]);
  }
});

test("windows that guests make are kept up to a number; those of people who are signed in all", async () => {
  await log.superuser.query(`insert into alert_windows (rule, cause, remembered, kept_until)
    select rule, 'c' || n, '{}', now() + n * interval '1 minute'
      from unnest(array['failed_sign_ins', 'denials']) rule, generate_series(-9, 30) n`);
  await forgetWindows(log.pool, ["failed_sign_ins"], 20);
  const { rows } = await log.superuser.query(
    "select rule, count(*)::int as n from alert_windows group by 1 order by 1",
  );
  expect(rows).toEqual([
    { rule: "denials", n: 30 },
    { rule: "failed_sign_ins", n: 20 },
  ]);
});

/** A pool whose clients break off at the `step`th statement after a transaction began. */
function breaking(step: number): pg.Pool {
  return new Proxy(log.pool, {
    get(pool, name) {
      const real = Reflect.get(pool, name);
      if (name !== "connect") return typeof real === "function" ? real.bind(pool) : real;
      return async () => {
        const client = await pool.connect();
        let statements = 0;
        return new Proxy(client, {
          get(target, part) {
            const own = Reflect.get(target, part);
            if (part !== "query") return typeof own === "function" ? own.bind(target) : own;
            return async (text: string, values?: unknown[]) => {
              if (text !== "rollback" && statements++ === step) throw new Error("killed here");
              return target.query(text, values);
            };
          },
        });
      };
    },
  });
}

test("killed at any statement between append and commit, the next process opens each alert once", async () => {
  const user = newId();
  let statements = 0;
  for (; ; statements++) {
    const start = statements * 10_000;
    const five = [0, 1, 2, 3, 4].map((s) => failedSignIn(start + s, user, address(start + s)));
    await logged(five);
    const failed = await looked(detector({ pool: breaking(statements) })).then(
      () => false,
      () => true,
    );
    await looked();
    const alerts = await found();
    expect(alerts.map(({ count }) => Number(count))).toEqual(Array(statements + 1).fill(5));
    if (!failed) break;
  }
  // begin, lock, windows, alerts, their events, windows again, cursor, commit
  expect(statements).toBeGreaterThanOrEqual(8);
  const events = (await drainedEvents(log.pool)).filter(
    ({ type }) => type === "medvault.audit.alert.opened.v1",
  );
  expect(events).toHaveLength(statements + 1);
}, 60_000);

test("two processes whose leases end at once neither lose nor double an event", async () => {
  const [users, ips] = [
    [newId(), newId(), newId()],
    [address(1), address(2)],
  ];
  const both = [detector({ leaseMs: 1 }), detector({ leaseMs: 1 })];
  for (let round = 0; round < 15; round++) {
    const some = Array.from({ length: 20 }, (_, n) =>
      failedSignIn(round * 10 + (n % 7), users[n % 3] ?? "", ips[n % 2] ?? ""),
    );
    await logged(some);
    await Promise.all(both.map((each) => each.run(new AbortController().signal)));
  }
  await looked(both[0]);
  const alerts = await found();
  const total = (rule: string) =>
    alerts.filter((alert) => alert.rule === rule).reduce((sum, { count }) => sum + Number(count), 0);
  expect(alerts).toHaveLength(5);
  expect(total("failed_sign_ins")).toBe(300);
  expect(total("failed_sign_ins_from_address")).toBe(300);
});

test("a process that another one overtook between reading and judging does nothing", async () => {
  const overtaking = detector({ leaseMs: 1 });
  let isOvertaken = false;
  const pool = new Proxy(log.pool, {
    get(target, name) {
      const real = Reflect.get(target, name);
      if (name !== "query") return typeof real === "function" ? real.bind(target) : real;
      return async (text: string, values?: unknown[]) => {
        const answer = await target.query(text, values);
        if (text.includes("from log where idx >=") && !isOvertaken) {
          isOvertaken = true;
          await looked(overtaking);
          await log.superuser.query("update alert_cursor set lease_until = now()");
        }
        return answer;
      };
    },
  });
  const user = newId();
  const tried = Array.from({ length: 80 }, (_, s) => failedSignIn(s, user, address(s)));
  // More than an alert names: by those it would know what it counted already.
  await logged(tried.slice(0, 60));
  await looked();
  await logged(tried.slice(60));
  await log.superuser.query("update alert_cursor set lease_until = now()");
  await detector({ pool, leaseMs: 1 }).run(new AbortController().signal);
  expect(isOvertaken).toBe(true);
  expect((await found()).map(({ count }) => Number(count))).toEqual([80]);
});

test("what is sent again, comes late, or is read again after the log was healed is counted once", async () => {
  const user = newId();
  const five = [4, 2, 3, 0, 1].map((s) => failedSignIn(s, user, address(s)));
  for (const one of five) {
    await logged([one]);
    await log.append(writer, five.slice(0, 1)); // the broker delivers it again
    await looked();
  }
  await log.superuser.query("update alert_cursor set last_id = gen_random_uuid()");
  await looked();
  expect((await found()).map(({ count }) => Number(count))).toEqual([5]);
});
