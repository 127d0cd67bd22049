import { inTransaction } from "@medvault/postgres";
import type { LogContext } from "../context.ts";
import { wrongArrival } from "../log/arrivals.ts";
import { refillSequences, sizeAndArrived } from "../log/sequence.store.ts";
import type { Finding } from "./finding.ts";
import { orDamaged } from "./tile-check.service.ts";

/** Entries that may be counted while appends wait: a job has counted the others. */
const MOST_COUNTED = 1_000;

/**
 * Compares the table of what arrived with what the entries say, at one moment: appends wait for it,
 * some milliseconds. Nothing while a long log is being counted.
 */
export async function checkSequences({
  pool,
  arrivals,
}: Pick<LogContext, "pool" | "arrivals">): Promise<Finding | null> {
  // A forged note of what was retired, from which the count starts, is found by another check.
  if (!(await orDamaged(arrivals.catchUp(MOST_COUNTED)))) return null;
  return await inTransaction(pool, async (tx) => {
    await tx.query("set local lock_timeout = '1s'");
    await tx.query("select from writer for update");
    const { size, arrived } = await sizeAndArrived(tx);
    if (!(await arrivals.catchUp(MOST_COUNTED)) || arrivals.size !== size) return null;
    return wrongArrival(arrivals.arrivals, arrived) === null
      ? null
      : { fault: "sequences_changed", index: null };
  });
}

/** An emptied table is filled again; one that says something else is left as it is, as evidence. */
export async function refillIfEmpty({
  pool,
  arrivals,
}: Pick<LogContext, "pool" | "arrivals">): Promise<void> {
  await inTransaction(pool, async (tx) => {
    await tx.query("set local lock_timeout = '1s'");
    await tx.query("select from writer for update");
    const { size, arrived } = await sizeAndArrived(tx);
    if (arrived.length > 0 || !(await arrivals.catchUp(MOST_COUNTED)) || arrivals.size !== size) return;
    await refillSequences(tx, [...arrivals.arrivals.values()]);
  });
}
