import { inTransaction, type Tx } from "@medvault/postgres";
import type { LogContext } from "../context.ts";
import { wrongArrival } from "../log/arrivals.ts";
import { type Arrived, refillSequences, sizeAndArrived } from "../log/sequence.store.ts";
import type { Finding } from "./finding.ts";
import { orDamaged } from "./tile-check.service.ts";

type Counted = Pick<LogContext, "pool" | "arrivals">;

/** Entries that may be counted while appends wait: a job has counted the others. */
const MOST_COUNTED = 1_000;
const LOCK_TIMED_OUT = "55P03";

/**
 * Compares the table of what arrived with what the entries say, at one moment: appends wait for it,
 * some milliseconds. Nothing while a long log is being counted.
 */
export async function checkSequences(log: Counted): Promise<Finding | null> {
  const isWrong = await atOneMoment(
    log,
    async (_, arrived) => wrongArrival(log.arrivals.arrivals, arrived) !== null,
  );
  return isWrong ? { fault: "sequences_changed", index: null } : null;
}

/** An emptied table is filled again; one that says something else is left as it is, as evidence. */
export async function refillIfEmpty(log: Counted): Promise<void> {
  await atOneMoment(log, async (tx, arrived) => {
    if (arrived.length === 0) await refillSequences(tx, [...log.arrivals.arrivals.values()]);
  });
}

/** Does the work while the table and the count are of one size; null where they could not be. */
async function atOneMoment<T>(
  { pool, arrivals }: Counted,
  work: (tx: Tx, arrived: readonly Arrived[]) => Promise<T>,
): Promise<T | null> {
  // A forged note of what was retired, from which the count starts, is found by another check.
  if (!(await orDamaged(arrivals.catchUp(MOST_COUNTED)))) return null;
  try {
    return await inTransaction(pool, async (tx) => {
      await tx.query("set local lock_timeout = '1s'");
      await tx.query("select from writer for update");
      const { size, arrived } = await sizeAndArrived(tx);
      if (!(await arrivals.catchUp(MOST_COUNTED)) || arrivals.size !== size) return null;
      return await work(tx, arrived);
    });
  } catch (error) {
    // An append hangs: the next round looks again, and the other checks go on.
    if ((error as { code?: unknown }).code === LOCK_TIMED_OUT) return null;
    throw error;
  }
}
