import { LATE_MS } from "./counted.ts";
import { staffOf, staffOnCharts } from "./person.ts";
import { type Fact, type Hit, HOUR_MS, type Rule } from "./rule.ts";
import type { AlertSettings } from "./settings.ts";
import { span } from "./words.ts";

const DAY_MS = 24 * HOUR_MS;
const SLOT_MS = 5 * 60_000;
const SLOTS_AN_HOUR = HOUR_MS / SLOT_MS;

/** Patients in each five minutes, by the random end of their ids: what comes twice counts once. */
type Slots = Readonly<Record<number, readonly string[]>>;

/** Different patients whose charts one person uses within an hour. */
export function manyPatients({ patientsAnHour: threshold }: AlertSettings): Rule {
  const rule: Rule<Slots> = {
    name: "many_patients",
    ...{ coverMs: HOUR_MS, keepMs: 2 * HOUR_MS + LATE_MS },
    occurrence(fact) {
      const actorId = staffOnCharts(fact);
      return actorId === null ? null : { cause: { actorId }, weight: 1 };
    },
    next(state = {}, fact) {
      const slot = Math.floor(fact.at / SLOT_MS);
      const known = state[slot] ?? [];
      const fresh = new Set(fact.patientIds.map((id) => id.slice(-12)).filter((end) => !known.includes(end)));
      if (fresh.size === 0 || known.length > threshold) return { state, hit: null };
      const next = latest({ ...state, [slot]: [...known, ...fresh].slice(0, threshold + 1) });
      const hit = crowdedHour(next, slot, fact, threshold);
      return hit === null ? { state: next, hit } : { state: undefined, hit };
    },
    why: ({ cause }, hit) =>
      `${cause.actorId} used the charts of more than ${threshold} patients within an hour, ${span(hit)}`,
  };
  return rule as Rule;
}

/** Two hours of it, so that what comes an hour late still finds its neighbours. */
function latest(slots: Slots): Slots {
  const newest = Math.max(...Object.keys(slots).map(Number));
  return Object.fromEntries(
    Object.entries(slots).filter(([slot]) => Number(slot) > newest - 2 * SLOTS_AN_HOUR),
  );
}

/** The first hour around a slot that holds more different patients than are allowed. */
function crowdedHour(slots: Slots, around: number, fact: Fact, threshold: number): Hit | null {
  const all = Object.values(slots).reduce((sum, patients) => sum + patients.length, 0);
  if (all <= threshold) return null;
  for (let first = around - SLOTS_AN_HOUR + 1; first <= around; first++) {
    const hour = Array.from({ length: SLOTS_AN_HOUR }, (_, at) => slots[first + at] ?? []);
    const patients = new Set(hour.flat());
    const begin = first + hour.findIndex(({ length }) => length > 0);
    if (patients.size > threshold)
      return {
        firstAt: Math.min(begin * SLOT_MS, fact.at),
        lastAt: fact.at,
        count: patients.size,
        events: [fact.id],
      };
  }
  return null;
}

/** On how many days somebody was at work in each hour (UTC), and on which day last. */
interface Hours {
  readonly days: number;
  readonly lastDay: number;
  readonly hours: readonly (readonly [days: number, lastDay: number])[];
}
const NO_HOURS: Hours = { days: 0, lastDay: 0, hours: Array.from({ length: 24 }, () => [0, 0]) };

/** Older days count half from here on: what is usual changes. */
const MAX_DAYS = 90;
/** In an hour, and the one before and after it, on fewer than so many of 100 days: unusual. */
const SELDOM_PERCENT = 5;

/** Somebody who works here acts at an hour at which they hardly ever do. */
export function unusualHour({ habitDays }: AlertSettings): Rule {
  const rule: Rule<Hours> = {
    name: "unusual_hour",
    ...{ coverMs: 8 * HOUR_MS, keepMs: 120 * DAY_MS },
    occurrence(fact) {
      const isAct = fact.outcome === "success" && fact.producer !== "gateway";
      const actorId = isAct ? staffOf(fact) : null;
      return actorId === null ? null : { cause: { actorId }, weight: 1 };
    },
    next(state = NO_HOURS, { at, id }) {
      const [day, hour] = [Math.floor(at / DAY_MS), Math.floor((at % DAY_MS) / HOUR_MS)];
      const [, lastDay] = state.hours[hour] ?? [0, 0];
      if (day <= lastDay) return { state, hit: null };
      const near = [23, 24, 25].reduce((sum, by) => sum + (state.hours[(hour + by) % 24]?.[0] ?? 0), 0);
      const isUnusual = state.days >= habitDays && near * 100 < SELDOM_PERCENT * state.days;
      const hit = { firstAt: at, lastAt: at, count: 1, events: [id] };
      return { state: learnt(state, day, hour), hit: isUnusual ? hit : null };
    },
    why: ({ cause }, hit) =>
      `${cause.actorId} was at work ${span(hit)}, an hour at which they hardly ever are (UTC)`,
  };
  return rule as Rule;
}

function learnt(state: Hours, day: number, hour: number): Hours {
  const isNewDay = day > state.lastDay;
  const half = isNewDay && state.days >= MAX_DAYS ? 0.5 : 1;
  return {
    days: Math.floor(state.days * half) + (isNewDay ? 1 : 0),
    lastDay: Math.max(day, state.lastDay),
    hours: state.hours.map(([days, last], at) =>
      at === hour ? [Math.floor(days * half) + 1, day] : [Math.floor(days * half), last],
    ),
  };
}
