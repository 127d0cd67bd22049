import { type Job, looked, type Metric } from "@medvault/runtime";
import type { Context } from "../context.ts";
import { missingPartitions } from "./missing-partition.service.ts";
import { countInDefault, makePartitions } from "./partition.store.ts";
import { retire } from "./retention.service.ts";

/** At 5,000 events a second half a million entries, which are made ahead, last 100 s. */
const AHEAD_EVERY_MS = 20_000;
const RETIRED_EVERY_MS = 3_600_000;
const MOST_COUNTED = 10_000;

export const retentionJobs = (context: Context): Job[] => [
  {
    name: "make-log-partitions",
    every: AHEAD_EVERY_MS,
    exclusive: true,
    run: async () => void (await makePartitions(context.pool)),
  },
  {
    name: "retire-log",
    every: RETIRED_EVERY_MS,
    exclusive: true,
    // While the log is in doubt nothing of it goes.
    run: async ({ signal }) => void (context.writer.state().refusal ?? (await retire(context, signal))),
  },
];

export const retentionMetrics = (context: Context): Metric[] => [
  {
    name: "audit_log_default_entries",
    help: "Entries that found no partition made for them, counted up to 10,000; 0 is right.",
    read: looked(() => countInDefault(context.pool, MOST_COUNTED)),
  },
  {
    name: "audit_log_partitions_missing",
    help: "Places where entries of the log have no partition any more, though none were retired; 0 is right.",
    read: looked(async () => (await missingPartitions(context)).length),
  },
];
