import type { OutboxEvent } from "./envelope.ts";

/** How many audit events of a type and outcome this process has committed since its start. */
export interface EventCount {
  readonly type: string;
  readonly outcome: string;
  count: number;
}

// By source, type and outcome: as many as the code has kinds of events.
const counts = new Map<string, Map<string, EventCount>>();

/** Counts events that are committed. */
export function countEvents(source: string, events: readonly OutboxEvent[]): void {
  const own = counts.get(source) ?? new Map<string, EventCount>();
  if (own.size === 0) counts.set(source, own);
  for (const { type, outcome, audience } of events) {
    if (audience !== "audit") continue;
    const key = `${type} ${outcome}`;
    const known = own.get(key);
    if (known) known.count += 1;
    else own.set(key, { type, outcome, count: 1 });
  }
}

/** What was counted of a source, for its metrics. */
export function eventCounts(source: string): readonly EventCount[] {
  return [...(counts.get(source)?.values() ?? [])];
}
