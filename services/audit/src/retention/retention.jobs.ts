import { type Job, looked, type Metric } from "@medvault/runtime";
import type { Context } from "../context.ts";
import { countInDefault, makePartitions, missingRanges } from "./partition.store.ts";

/** At 5,000 events a second half a million entries, which are made ahead, last 100 s. */
const AHEAD_EVERY_MS = 20_000;
const MOST_COUNTED = 10_000;

export const retentionJobs = ({ pool }: Context): Job[] => [
  {
    name: "make-log-partitions",
    every: AHEAD_EVERY_MS,
    exclusive: true,
    run: async () => void (await makePartitions(pool)),
  },
];

export const retentionMetrics = ({ pool }: Context): Metric[] => [
  {
    name: "audit_log_default_entries",
    help: "Entries that found no partition made for them, counted up to 10,000; 0 is right.",
    read: looked(() => countInDefault(pool, MOST_COUNTED)),
  },
  {
    name: "audit_log_partitions_missing",
    help: "Places where entries of the log have no partition any more, though none were retired; 0 is right.",
    read: looked(async () => (await missingRanges(pool, 0)).length),
  },
];
