import type { AlertRule, AuditEventData } from "@medvault/contracts";
import type { Columns } from "../log/entry.ts";

/** An entry of the log as rules see it; or a state of MedVault itself (`condition/<rule>`). */
export interface Fact
  extends Pick<
    Columns,
    "id" | "type" | "producer" | "actorId" | "actorRole" | "patientIds" | "subject" | "outcome" | "ip"
  > {
  /** When it happened, by its producer: milliseconds since 1970. */
  readonly at: number;
  /** What is sealed of it, opened when a rule asks; null where it does not open. */
  data(): AuditEventData | null;
  /** Of a state: what it is. */
  readonly words?: string;
}

/** Whom or what an alert is about. */
export interface Cause {
  readonly actorId?: string;
  readonly patientId?: string;
  readonly address?: string;
  readonly subject?: string;
}

/** What a rule sees in a fact: of which cause, and how many acts it stands for. */
export interface Occurrence {
  readonly cause: Cause;
  readonly weight: number;
  /** What the fact says beyond its columns, for the alert's words. */
  readonly words?: string;
}

/** Facts of one cause that are enough for an alert. */
export interface Hit {
  readonly firstAt: number;
  readonly lastAt: number;
  readonly count: number;
  readonly events: readonly string[];
}

/**
 * A rule over windows of event times: state and a fact go in, the next state comes out, and a hit
 * where it is enough. It does no I/O, and holds nothing itself. Whatever the order in which facts
 * come, the same of them are enough.
 */
export interface Rule<S = unknown> {
  readonly name: AlertRule;
  /** One alert speaks for its cause for so long around its first event. */
  readonly coverMs: number;
  /** How long its state is of use after its latest fact. */
  readonly keepMs: number;
  /** Anybody outside can make causes without end: only so many an hour are told apart. */
  readonly isByGuests?: true;
  /** Null: the fact is nothing to this rule. */
  occurrence(fact: Fact): Occurrence | null;
  /** The same `state` again where nothing changed. */
  next(
    state: S | undefined,
    fact: Fact,
    weight: number,
  ): { readonly state: S | undefined; readonly hit: Hit | null };
  /** Why it fired, in words, with ids. */
  why(occurrence: Occurrence, hit: Hit): string;
}

/** What is remembered of one rule and cause: its state, and the alerts that speak for the cause. */
export interface Remembered {
  readonly s?: unknown;
  /** Ids of alerts and when their first event was, latest last. */
  readonly a?: readonly (readonly [id: string, from: number])[];
}

/** What is remembered, by rule and cause. */
export interface Memory {
  get(rule: AlertRule, cause: string): Remembered | undefined;
  set(rule: Rule, cause: string, remembered: Remembered): void;
}

export interface OpenedAlert extends Hit {
  readonly id: string;
  readonly rule: AlertRule;
  readonly cause: Cause;
  readonly key: string;
  readonly why: string;
}

/** What judging found: alerts to open, and further events of those that are there. */
export interface Findings {
  readonly opened: Map<string, OpenedAlert>;
  readonly touched: Map<string, Hit>;
}
export const noFindings = (): Findings => ({ opened: new Map(), touched: new Map() });

/** Events that an alert names: the first ones. */
export const MAX_EVENTS = 50;
/** Alerts that one cause remembers. */
const MAX_ALERTS = 3;
/** Alerts that a rule opens an hour for causes that guests can make; the others are one alert. */
const MAX_GUEST_ALERTS_AN_HOUR = 50;
export const HOUR_MS = 3_600_000;

/** All other causes of a rule that guests can make. */
const OTHERS: Cause = { subject: "guests/others" };
const BUDGET = "guests/budget";

/** A cause as one text. */
function causeKey({ actorId, patientId, address, subject }: Cause): string {
  return [
    actorId && `actor/${actorId}`,
    patientId && `patient/${patientId}`,
    address && `address/${address}`,
    subject,
  ]
    .filter((part) => part !== undefined)
    .join(" ");
}

/** Keys that judging a fact may look at, so that they can be read ahead. */
export function keysOf(rule: Rule, { cause }: Occurrence): string[] {
  const key = causeKey(cause);
  return rule.isByGuests ? [key, causeKey(OTHERS), BUDGET] : [key];
}

/** What judging works with. */
export interface Bench {
  readonly memory: Memory;
  readonly findings: Findings;
  newId(): string;
}

/** One rule and one fact: changes the memory, and adds to the findings. */
export function judge(bench: Bench, rule: Rule, fact: Fact, occurrence: Occurrence): void {
  const { memory, findings } = bench;
  const key = causeKey(occurrence.cause);
  const known = memory.get(rule.name, key) ?? {};
  const covering = coveringAlert(rule, known, fact.at);
  if (covering !== undefined) {
    touch(findings, covering, alone(fact, occurrence));
    return;
  }
  const { state, hit } = rule.next(known.s, fact, occurrence.weight);
  if (hit === null) {
    if (state !== known.s) memory.set(rule, key, { ...known, s: state });
    return;
  }
  const isTold = !rule.isByGuests || hasBudget(memory, rule, fact.at);
  if (isTold) {
    open(bench, rule, occurrence, hit, { ...known, s: state });
    return;
  }
  memory.set(rule, key, { ...known, s: state });
  const others = memory.get(rule.name, causeKey(OTHERS)) ?? {};
  const theirs = coveringAlert(rule, others, fact.at);
  if (theirs === undefined) open(bench, rule, { ...occurrence, cause: OTHERS }, hit, others);
  else touch(findings, theirs, hit);
}

function open(
  { memory, findings, newId }: Bench,
  rule: Rule,
  occurrence: Occurrence,
  hit: Hit,
  known: Remembered,
): void {
  const { cause } = occurrence;
  const [id, key] = [newId(), causeKey(cause)];
  const alerts = [...(known.a ?? []), [id, hit.firstAt] as const].slice(-MAX_ALERTS);
  memory.set(rule, key, { ...known, a: alerts });
  const events = hit.events.filter((event) => !event.startsWith(CONDITION)).slice(0, MAX_EVENTS);
  findings.opened.set(id, {
    ...{ ...hit, events, id, rule: rule.name, cause, key },
    why: rule.why(occurrence, hit),
  });
}

/** What a state is called that was seen at some time: it is no event of the log. */
export const CONDITION = "condition/";

const alone = ({ id, at }: Fact, { weight }: Occurrence): Hit => ({
  firstAt: at,
  lastAt: at,
  count: weight,
  events: id.startsWith(CONDITION) ? [] : [id],
});

function coveringAlert({ coverMs }: Rule, { a = [] }: Remembered, at: number): string | undefined {
  return a.findLast(([, from]) => Math.abs(at - from) <= coverMs)?.[0];
}

/** Adds facts to an alert: to one that is being opened, or to what changes of one that is there. */
function touch({ opened, touched }: Findings, id: string, hit: Hit): void {
  const known = opened.get(id) ?? touched.get(id);
  if (known?.events.includes(hit.events[0] ?? "")) return;
  const next = known ? joined(known, hit) : hit;
  const fresh = opened.get(id);
  if (fresh) opened.set(id, { ...fresh, ...next });
  else touched.set(id, next);
}

const joined = (one: Hit, other: Hit): Hit => ({
  firstAt: Math.min(one.firstAt, other.firstAt),
  lastAt: Math.max(one.lastAt, other.lastAt),
  count: one.count + other.count,
  events:
    one.events.length >= MAX_EVENTS ? one.events : [...one.events, ...other.events].slice(0, MAX_EVENTS),
});

/** Whether one more cause of guests is told apart in this hour. */
function hasBudget(memory: Memory, rule: Rule, at: number): boolean {
  const hour = Math.floor(at / HOUR_MS);
  const spent = (memory.get(rule.name, BUDGET)?.s ?? { hour, count: 0 }) as { hour: number; count: number };
  const count = spent.hour < hour ? 0 : spent.count;
  if (count >= MAX_GUEST_ALERTS_AN_HOUR) return false;
  memory.set(rule, BUDGET, { s: { hour: Math.max(hour, spent.hour), count: count + 1 } });
  return true;
}
