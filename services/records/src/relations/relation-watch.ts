import type { NewEvent } from "@medvault/contracts";
import { BoundedMap, type Caller } from "@medvault/service-kit";

const MAX_SEEN = 20_000;
const MAX_PENDING = 2_000;
const MAX_CALLERS = 2_000;
/** A pair is looked at once in so long. */
const SEEN_MS = 3_600_000;
/** An assertion lives for 30 s; what could not be looked at by then waits for the next act. */
const ASSERTED_MS = 25_000;

/** Someone, and the charts that they opened. */
export interface Opened {
  readonly caller: Caller;
  readonly patientIds: readonly string[];
}

interface Pair {
  readonly actorId: string;
  readonly patientId: string;
}
const keyOf = ({ actorId, patientId }: Pair): string => `${actorId} ${patientId}`;

/**
 * Who that works here opened whose chart, until a job has looked at what they are to each other: in
 * the caller's own name, behind their answer. In memory, since it is looked at within a second; a
 * pair that a killed process had not looked at is noted again at the next act.
 */
export class RelationWatch {
  readonly #seen = new BoundedMap<string, number>(MAX_SEEN);
  readonly #pending = new BoundedMap<string, Pair>(MAX_PENDING);
  readonly #callers = new BoundedMap<string, { caller: Caller; until: number }>(MAX_CALLERS);

  /** Somebody is being answered: in their name auth can be asked for the next seconds. */
  met(caller: Caller, nowMs: number): void {
    if (isStaff(caller.role)) this.#callers.set(caller.id, { caller, until: nowMs + ASSERTED_MS });
  }

  /** Acts on one chart are noted; lists of many say nothing of whom somebody looked for. */
  note(events: readonly NewEvent[], nowMs: number): void {
    for (const { data } of events) {
      const [patientId, ...others] = data.patientIds;
      if (data.outcome !== "success" || !data.actor || !isStaff(data.actor.role)) continue;
      if (patientId === undefined || others.length > 0) continue;
      const pair = { actorId: data.actor.id, patientId };
      if ((this.#seen.get(keyOf(pair)) ?? 0) <= nowMs) this.#pending.set(keyOf(pair), pair);
    }
  }

  /** What can be looked at now, `limit` charts at most. What cannot any more is forgotten. */
  take(nowMs: number, limit: number): Opened[] {
    const taken = new Map<string, { caller: Caller; patientIds: string[] }>();
    let count = 0;
    for (const [key, { actorId, patientId }] of this.#pending) {
      if (count === limit) break;
      this.#pending.delete(key);
      const known = this.#callers.get(actorId);
      if (!known || known.until <= nowMs) continue;
      const one = taken.get(actorId) ?? { caller: known.caller, patientIds: [] };
      one.patientIds.push(patientId);
      taken.set(actorId, one);
      count += 1;
    }
    return [...taken.values()];
  }

  /** It was looked at, and is not for an hour. */
  done(pair: Pair, nowMs: number): void {
    this.#seen.set(keyOf(pair), nowMs + SEEN_MS);
    this.#pending.delete(keyOf(pair)); // what was noted of it is an event of that chart, too
  }
}

const isStaff = (role: string): boolean => role === "doctor" || role === "admin" || role === "auditor";
