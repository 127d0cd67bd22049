import { ALERT_RULES, newId } from "@medvault/contracts";
import { expect, test } from "vitest";
import { DEFAULTS, fact, found, NOON, namesOf } from "../../test/alert-facts.ts";
import { stateFact } from "./condition.ts";
import { rulesOf } from "./every-rule.ts";
import type { Fact } from "./rule.ts";
import { RULE_WORDS } from "./words.ts";

const place = (countryCode: string, latitude: number, longitude: number) => ({
  ...{ city: null, country: null, countryCode, at: { latitude, longitude } },
});
const PLACES = new Map([
  ["198.51.100.1", place("DE", 52.5, 13.4)],
  ["198.51.100.2", place("DE", 48.1, 11.6)],
  ["203.0.113.1", place("US", 40.7, -74)],
]);
const RULES = rulesOf(DEFAULTS, (ip) => PLACES.get(ip) ?? null);
const find = (facts: readonly Fact[]) => namesOf(found(RULES, facts));

const GUEST = { actorId: "guest", actorRole: "guest" } as const;
const auth = (what: string, over: Parameters<typeof fact>[1] = {}) =>
  ({ type: `medvault.auth.${what}.v1`, ...over }) as const;
const failed = (minutes: number, user: string, ip: string) =>
  fact(minutes, { ...auth("login.failed"), ...GUEST, subject: `user/${user}`, ip, outcome: "denied" });
const denied = (minutes: number, over: Parameters<typeof fact>[1] = {}) =>
  fact(minutes, {
    type: "medvault.records.request.denied.v1",
    outcome: "denied",
    reason: "not_found",
    ...over,
  });
const screened = (minutes: number, over: Parameters<typeof fact>[1] = {}) =>
  fact(minutes, {
    type: "medvault.gateway.screening.hit.v1",
    outcome: "denied",
    details: { kind: "sql" },
    ...over,
  });
const signIn = (minutes: number, ip: string) => fact(minutes, { ...auth("session.started"), ip });
const chart = (minutes: number, over: Parameters<typeof fact>[1] = {}) =>
  fact(minutes, { patientIds: ["p1"], ...over });
const many = (count: number, spacing: number) =>
  Array.from({ length: count }, (_, at) => chart(at * spacing, { patientIds: [newId()] }));
/** At work from 8 to 10 on so many days before noon of the tenth. */
const workdays = (days: number) =>
  Array.from({ length: days }, (_, at) =>
    [8, 9].map((hour) => fact((at - days) * 1440 + (hour - 12) * 60)),
  ).flat();
const state = (
  rule: "audit_gap" | "checkpoint_overdue" | "writer_refusing",
  minutes: number,
  subject = "x",
) => stateFact({ rule, subject, words: "words" }, new Date(NOON + minutes * 60_000));

const RELATED = "medvault.records.patient.related.v1";

const FIRES: readonly [string, Fact[], string[]][] = [
  [
    "5 failed sign-ins of an account",
    [0, 1, 2, 3, 5].map((m) => failed(m, "u", `ip${m}`)),
    ["failed_sign_ins"],
  ],
  ["4 and one after the window", [0, 1, 2, 3, 5.1].map((m) => failed(m, "u", `ip${m}`)), []],
  [
    "5 from one address, of names that nobody has",
    [0, 0, 0, 0, 0].map((m) => failed(m, "unknown", "ip")),
    ["failed_sign_ins_from_address"],
  ],
  ["3 refused accesses in 15 min", [0, 7, 15].map((m) => denied(m)), ["denials"]],
  ["2 and one after", [0, 7, 15.1].map((m) => denied(m)), []],
  ["3 of different people", ["a", "b", "c"].map((actorId) => denied(0, { actorId })), []],
  [
    "3 that say nothing of access: wrong bodies, too many requests",
    ["request.rate_limited", "request.request_malformed", "request.refused"].map((what) =>
      denied(0, { type: `medvault.gateway.${what}.v1`, reason: "invalid_input" }),
    ),
    [],
  ],
  [
    "3 that the gateway refused for the missing right",
    [0, 1, 2].map((m) => denied(m, { type: "medvault.gateway.request.refused.v1", reason: "forbidden" })),
    ["denials"],
  ],
  ["an attack by somebody signed in", [screened(0)], ["injection"]],
  ["a guest's", [screened(0, { ...GUEST, details: { kind: "sql", count: 49 } })], []],
  [
    "50 of guests, counted together",
    [0, 1].map((m) => screened(m, { actorId: null, actorRole: null, details: { kind: "sql", count: 25 } })),
    ["guest_attacks"],
  ],
  ["another address", [fact(0, auth("session.address-changed"))], ["session_address_changed"]],
  [
    "another program",
    [fact(0, auth("session.agent-changed", { outcome: "denied" }))],
    ["session_agent_changed"],
  ],
  ["too many sessions", [fact(0, auth("session.limit-reached"))], ["session_limit"]],
  [
    "a token used twice",
    [
      fact(
        0,
        auth("refresh.denied", {
          ...GUEST,
          subject: "session/s",
          reason: "refresh_reused",
          outcome: "denied",
        }),
      ),
    ],
    ["refresh_reused"],
  ],
  [
    "a retry",
    [fact(0, auth("refresh.denied", { ...GUEST, reason: "refresh_superseded", outcome: "denied" }))],
    [],
  ],
  [
    "a way around the second factor",
    [fact(0, auth("mfa.bypass-attempted", { ...GUEST, subject: "user/u", outcome: "denied" }))],
    ["mfa_bypass"],
  ],
  [
    "a grant without it",
    [fact(0, auth("grant.refused", { ...GUEST, reason: "second_factor_missing" }))],
    ["mfa_bypass"],
  ],
  ["a sign-in from where they were", [signIn(0, "198.51.100.1"), signIn(60, "198.51.100.2")], []],
  [
    "from a country where they never were, days later",
    [signIn(0, "198.51.100.1"), signIn(9_000, "203.0.113.1")],
    ["new_country"],
  ],
  [
    "from far away an hour later, whichever comes first",
    [signIn(60, "203.0.113.1"), signIn(0, "198.51.100.1")],
    ["impossible_travel", "new_country"],
  ],
  ["an emergency", [chart(0, { type: "medvault.records.breakglass.opened.v1" })], ["break_glass"]],
  ["a chart by the rights of a role", [chart(0, { actorRole: "admin", reason: "role" })], ["off_care_team"]],
  ["a chart by the patient's consent", [chart(0, { reason: "consent" })], []],
  ["a patient's own", [chart(0, { actorRole: "patient", type: RELATED, reason: "own" })], []],
  ["the own chart", [chart(0, { type: RELATED, reason: "own" })], ["own_chart"]],
  ["a colleague's", [chart(0, { type: RELATED, reason: "colleague" })], ["colleague_chart"]],
  [
    "one of the same family name",
    [chart(0, { type: RELATED, reason: "family_name" })],
    ["family_name_chart"],
  ],
  ["201 patients in an hour", many(201, 0.25), ["many_patients"]],
  ["200", many(200, 0.25), []],
  ["201 in two hours", many(201, 0.6), []],
  ["one patient 500 times", Array.from({ length: 500 }, () => chart(0)), []],
  ["three in the morning, after 20 days", [...workdays(20), fact(-9 * 60)], ["unusual_hour"]],
  ["an hour beside the usual ones", [...workdays(20), fact(-120)], []],
  ["three in the morning, after 19 days", [...workdays(19), fact(-9 * 60)], []],
  [
    "a row that was rolled back",
    [fact(0, { type: "medvault.records.row.disagrees.v1", reason: "rolled_back", outcome: "failure" })],
    ["integrity_failed"],
  ],
  [
    "a row that does not open",
    [fact(0, { type: "medvault.records.patient.damaged.v1" })],
    ["integrity_failed"],
  ],
  [
    "a changed log",
    [fact(0, { type: "medvault.audit.integrity.failed.v1", reason: "leaf_changed" })],
    ["integrity_failed"],
  ],
  [
    "a witness that has seen more of the log than there is",
    [fact(0, { type: "medvault.audit.witness.refused.v1", reason: "witness_ahead", outcome: "failure" })],
    ["integrity_failed"],
  ],
  [
    "a witness that is away",
    [
      fact(0, {
        type: "medvault.audit.witness.refused.v1",
        reason: "witness_unreachable",
        outcome: "failure",
      }),
    ],
    [],
  ],
  ["a gap that stays", [0, 0.4, 0.8].map((m) => state("audit_gap", m)), ["audit_gap"]],
  ["a gap that was seen twice", [0, 0.4].map((m) => state("audit_gap", m)), []],
  ["a writer that refuses", [state("writer_refusing", 0)], ["writer_refusing"]],
  [
    "a checkpoint that stays the last",
    [0, 1, 2].map((m) => state("checkpoint_overdue", m)),
    ["checkpoint_overdue"],
  ],
  ["checkpoints that move on", [0, 1, 2].map((m) => state("checkpoint_overdue", m, `c/${m}`)), []],
  [
    "a backup that failed",
    [fact(0, { type: "medvault.backup.backup.created.v1", outcome: "failure" })],
    ["backup_failed"],
  ],
  ["a shred that waits", [fact(0, { type: "medvault.records.keys.overdue.v1" })], ["key_rotation_overdue"]],
  [
    "a state of backups",
    [stateFact({ rule: "backup_unverified", subject: "backup", words: "w" }, new Date(NOON))],
    ["backup_unverified"],
  ],
];

test.each(FIRES)("%s", (_what, facts, rules) => {
  expect(find(facts)).toEqual(rules);
});

test("every rule is tried here, has words, and says ids and times", () => {
  const tried = FIRES.flatMap(([, facts]) => found(RULES, facts));
  expect(new Set(tried.map(({ rule }) => rule))).toEqual(new Set(ALERT_RULES));
  for (const { rule, why, count } of tried) {
    expect(RULE_WORDS[rule].whatToDo.length).toBeGreaterThan(20);
    expect(why).not.toMatch(/undefined|null|NaN/);
    expect(count).toBeGreaterThan(0);
  }
});

/** A fixed shuffle of its own for each seed. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  let at = seed;
  const random = () => {
    at = (at * 48_271) % 2_147_483_647;
    return at / 2_147_483_647;
  };
  return items
    .map((item) => [random(), item] as const)
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

test("whatever the order, and whatever comes again, the same facts are the same alerts", () => {
  const ORDERED = new Set(["unusual_hour", "new_country"]); // they learn, from what came before
  const tried = FIRES.filter(([, , rules]) => !rules.some((rule) => ORDERED.has(rule)));
  for (const [what, facts, rules] of tried) {
    for (const seed of [7, 1_234, 99_991, 424_242]) {
      const orders = { shuffled: shuffled(facts, seed), doubled: shuffled([...facts, ...facts], seed) };
      expect(find(orders.shuffled), what).toEqual(rules);
      expect(find(orders.doubled), what).toEqual(rules);
    }
  }
});

test("a cause has one alert an hour, which counts on; an hour later it has another", () => {
  const alerts = found(
    RULES,
    Array.from({ length: 100 }, (_, at) => screened(at)),
  );
  expect(alerts.map(({ rule, count }) => [rule, count])).toEqual([
    ["injection", 61],
    ["injection", 39],
  ]);
  expect(alerts[0]?.events).toHaveLength(50);
});
