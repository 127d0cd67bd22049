import { type Actor, NotFound, type ResourceAction } from "@medvault/contracts";
import type { Db } from "@medvault/postgres";
import type { Context } from "../context.ts";
import { PartClosed } from "./access.errors.ts";
import { type Chart, chartInReach, isPartClosed } from "./access.store.ts";

/**
 * The chart of a patient who is named, null where none is. Throws NotFound for one whom the caller
 * may not know of, PartClosed where all that they ask for is closed to them.
 */
export async function requirePatient(
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  patientId: string | undefined,
): Promise<Chart | null> {
  if (patientId === undefined) return null;
  const chart = await chartInReach(context.pool, actor, permission, patientId);
  if (!chart) throw await outOfReach(context.pool, actor, permission, patientId);
  return chart;
}

/** Why a chart is out of reach, to be thrown: NotFound, or PartClosed. */
export const outOfReach = async (
  db: Db,
  actor: Actor,
  permission: ResourceAction,
  patientId: string,
): Promise<NotFound | PartClosed> =>
  (await isPartClosed(db, actor, permission, patientId))
    ? Object.assign(new PartClosed(), { patientId })
    : new NotFound();
