import type { AppError } from "@medvault/contracts";
import type { Job, Metric } from "@medvault/runtime";
import type { Context } from "../context.ts";

const EVERY_MS = 1_000;

/** Takes in what changed, also while nobody searches, and loads everyone. */
export const searchJobs = ({ search: { index } }: Context): Job[] => [
  {
    name: "search-index",
    every: EVERY_MS,
    run: async ({ signal }) => {
      try {
        await index.fresh();
        await index.loadAll(signal);
      } catch (error) {
        // Metrics and readiness say so, and each search that it concerns.
        if ((error as Partial<AppError>).kind !== "unavailable") throw error;
      }
    },
  },
];

export const searchMetrics = ({ search: { index } }: Context): Metric[] => [
  {
    name: "search_index_bytes",
    help: "What the search index of this process takes; at most MEDVAULT_SEARCH_MEMORY_MIB.",
    read: () => index.size.bytes,
  },
  {
    name: "search_index_patients",
    help: "Patients in the search index of this process.",
    read: () => index.size.patients,
  },
  {
    name: "search_index_rows",
    help: "Prescriptions in the search index of this process.",
    read: () => index.size.rows,
  },
  {
    name: "search_index_lag_seconds",
    help: "Since this process last took in what changed.",
    read: () => (Number.isFinite(index.lagMs) ? index.lagMs / 1000 : undefined),
  },
  {
    name: "search_index_whole",
    help: "1 once everyone is in the search index of this process; 0 while it is loaded, or when it is full.",
    read: () => (index.warmth === "whole" ? 1 : 0),
  },
];
