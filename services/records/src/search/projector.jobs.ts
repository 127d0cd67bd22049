import { isUnavailable, RestoreInProgress } from "@medvault/postgres";
import type { Job, Metric } from "@medvault/runtime";
import type { Context } from "../context.ts";
import { project } from "./projector.service.ts";
import { type Backlog, pruneChanges, readBacklog } from "./search-document.store.ts";

/** Several changes of a patient are one document. Until it is written their rows are read. */
const EVERY_MS = 5_000;
const PRUNE_EVERY_MS = 60_000;
const CHANGES_PER_DELETE = 10_000;
/** A patient who is deleted while their document is written; they are not found again. */
const REFERENCE_GONE = "23503";

const backlogs = new WeakMap<Context, Backlog>();

/**
 * Writes search documents, in one process at a time, and lets changes go that nobody needs any
 * more. While nothing changes that is one statement in 5 s, and two a minute.
 */
export const projectorJobs = (context: Context): Job[] => [
  {
    name: "search-documents",
    every: EVERY_MS,
    run: async ({ signal }) => {
      try {
        const backlog = await readBacklog(context.pool);
        backlogs.set(context, backlog);
        if (backlog.patients > 0) await project(context, signal);
      } catch (error) {
        if (!isPassing(error)) throw error;
      }
    },
  },
  {
    name: "search-changes",
    every: PRUNE_EVERY_MS,
    run: async ({ signal }) => {
      while (!signal.aborted && (await pruneChanges(context.pool, CHANGES_PER_DELETE)));
    },
  },
];

const isPassing = (error: unknown): boolean =>
  isUnavailable(error) ||
  error instanceof RestoreInProgress ||
  (error as { code?: unknown }).code === REFERENCE_GONE;

export const projectorMetrics = (context: Context): Metric[] => [
  {
    name: "search_documents_waiting",
    help: "Patients whose search document is older than their rows, at most 10,000.",
    read: () => backlogs.get(context)?.patients,
  },
  {
    name: "search_documents_oldest_seconds",
    help: "Since when the first change waits to be in its patient's search document, to a minute.",
    read: () => backlogs.get(context)?.seconds,
  },
];
