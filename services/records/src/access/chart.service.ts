import { type Actor, NotFound, type ResourceAction } from "@medvault/contracts";
import type { Context } from "../context.ts";
import { type Chart, chartInReach } from "./access.store.ts";

/**
 * The chart of a patient who is named, null where none is. Throws NotFound for one whom the caller
 * may not know of.
 */
export async function requirePatient(
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  patientId: string | undefined,
): Promise<Chart | null> {
  if (patientId === undefined) return null;
  const chart = await chartInReach(context.pool, actor, permission, patientId);
  if (!chart) throw new NotFound();
  return chart;
}
