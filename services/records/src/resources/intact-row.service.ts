import { type Actor, type ResourceAction, VersionConflict } from "@medvault/contracts";
import type { Tx } from "@medvault/postgres";
import { markRecorded } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { type Found, isDamaged } from "./damaged-row.ts";
import type { Row } from "./patient-owned.ts";
import { about, notFound } from "./refusal.service.ts";
import { RowDamaged } from "./resource.errors.ts";
import { damaged } from "./resource.events.ts";
import { lock } from "./resource.store.ts";
import type { Resource } from "./resource.ts";

/** The value, if it is one. Throws RowDamaged once the event of the damage is durable. */
export async function intact<T extends Row>(
  context: Context,
  actor: Actor,
  resource: Resource<T>,
  value: Found<T>,
): Promise<T> {
  if (!isDamaged(value)) return value;
  await context.appender.append(damaged(actor, resource.noun, resource.permissions.read, value));
  throw markRecorded(new RowDamaged());
}

/**
 * A row to be changed, locked, at the revision that the caller expects (null: any). Throws
 * NotFound, RowDamaged, VersionConflict.
 */
export async function lockAt<T extends Row>(
  tx: Tx,
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  resource: Resource<T>,
  id: string,
  expectedRev: number | null,
): Promise<{ value: T; subjectKey: Buffer }> {
  const locked = await lock(tx, context, actor, permission, resource, id);
  if (!locked || resource.isHidden(locked.value)) throw await notFound(tx, actor, permission, resource, id);
  const value = await intact(context, actor, resource, locked.value);
  if (expectedRev !== null && expectedRev !== value.rev)
    throw about(new VersionConflict(), resource.patientOf(value));
  return { value, subjectKey: locked.subjectKey };
}
