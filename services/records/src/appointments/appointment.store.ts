import type { Actor } from "@medvault/contracts";
import type { Tx } from "@medvault/postgres";
import { reachOf } from "../access/reach.ts";

/**
 * Makes those who book this doctor's time wait for each other until the transaction ends: the
 * constraint alone would let two of them wait for one another, until Postgres ends one.
 */
export async function holdDoctorsTime(tx: Tx, actor: Actor, doctorId: string): Promise<void> {
  reachOf(actor, "appointment:write");
  await tx.query("select pg_advisory_xact_lock(hashtextextended('medvault.appointments/' || $1::text, 0))", [
    doctorId,
  ]);
}

/** Whether a write was refused since the doctor has another appointment then. */
export function isTaken(error: unknown): boolean {
  const { code, constraint } = error as { code?: unknown; constraint?: unknown };
  return code === EXCLUSION_VIOLATION && constraint === "appointments_one_at_a_time";
}
const EXCLUSION_VIOLATION = "23P01";
