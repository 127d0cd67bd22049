import { looked, type Metric, type Sample } from "@medvault/runtime";
import type { Context } from "../context.ts";
import { type Arrival, missingOf } from "./arrivals.ts";
import { type LogStanding, readStanding } from "./log-standing.store.ts";

const MAX_PRODUCERS = 100;

/** What the log shows of itself: how far it has come, who writes, what is missing. */
export function logMetrics({ pool, writer, arrivals }: Context): Metric[] {
  const standing = looked(() => readStanding(pool));
  const of = (read: (found: LogStanding) => number) => async () => {
    const found = await standing();
    return found && read(found);
  };
  return [
    { name: "audit_log_entries", help: "Events in the log.", read: of(({ entries }) => entries) },
    {
      name: "audit_unpublished_entries",
      help: "Events in the log that no checkpoint covers yet.",
      read: of(({ entries, published }) => Math.max(0, entries - published)),
    },
    {
      name: "audit_last_checkpoint_timestamp_seconds",
      help: "When the last checkpoint was signed; 0: never. One is due when events have come.",
      read: of(({ signedAt }) => signedAt),
    },
    {
      name: "audit_missing_events",
      help: "Numbered events of a producer that have not arrived; in the process that writes.",
      labelNames: ["producer"],
      read: () => missingSamples([...arrivals.arrivals.values()]),
    },
    {
      name: "audit_append_delay_seconds",
      help: "From the oldest event of the last batch to its place in the log.",
      read: () => writer.state().appendDelayMs / 1000,
    },
    {
      name: "audit_writer_writing",
      help: "1 in the process that writes the log; of all processes one.",
      read: () => (writer.state().phase === "writing" ? 1 : 0),
    },
    {
      name: "audit_writer_refusing",
      help: "1 where the log and what is kept of it outside disagree: nothing is written.",
      read: () => (writer.state().refusal === null ? 0 : 1),
    },
  ];
}

/** By producer, in all its epochs. */
function missingSamples(arrivals: readonly Arrival[]): Sample[] {
  const producers = [...Map.groupBy(arrivals, ({ producer }) => producer)].slice(0, MAX_PRODUCERS);
  return producers.map(([producer, epochs]) => ({
    labels: { producer },
    value: epochs.reduce((sum, each) => sum + missingOf(each), 0),
  }));
}
