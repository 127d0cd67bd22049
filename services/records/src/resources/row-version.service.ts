import type { Actor, DamagedRow } from "@medvault/contracts";
import type { Answer } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { CHART } from "./chart.ts";
import { type Found, isDamaged } from "./damaged-row.ts";
import type { Row } from "./patient-owned.ts";
import { notFound } from "./refusal.service.ts";
import { damaged, done, readActOf } from "./resource.events.ts";
import { find } from "./resource.store.ts";
import type { Resource } from "./resource.ts";
import { listPast } from "./row-version.store.ts";

/**
 * Every version (at most `limit`), newest first, with who wrote it; also of one whose present
 * version is damaged. Throws NotFound.
 */
export async function listVersions<T extends Row, View extends object>(
  context: Context,
  actor: Actor,
  resource: Resource<T, View>,
  id: string,
  limit?: number,
): Promise<Answer<{ items: ((View & { version: number }) | DamagedRow)[] }>> {
  const { read } = resource.permissions;
  const value = await find(context.pool, context, actor, read, resource, id);
  if (!value || resource.isHidden(value)) throw await notFound(context.pool, actor, read, resource, id);
  const past = await listPast(context.pool, context, actor, read, value.id);
  const versions = [
    { value, version: value.rev },
    ...past.map((one) => ({
      value: isDamaged(one) ? { ...one, id: value.id } : ({ ...one.value, [CHART]: value[CHART] } as T),
      version: one.version ?? 0,
    })),
  ].slice(0, limit);
  await announceVersions(
    context,
    actor,
    resource,
    value,
    versions.map((one) => one.value),
  );
  return {
    body: { items: versions.map(({ value: one, version }) => ({ ...resource.listed(one), version })) },
  };
}

/** That these versions were read, and which of them are damaged. */
export async function announceVersions<T extends Row>(
  context: Context,
  actor: Actor,
  resource: Resource<T>,
  present: Found<T>,
  versions: readonly Row[],
): Promise<void> {
  const act = readActOf(resource, present);
  const details = { versions: versions.length };
  const { noun, permissions } = resource;
  const found = versions.filter(isDamaged).map((row) => damaged(actor, noun, permissions.read, row));
  await context.appender.append(done(actor, { ...act, verb: "versions-read", details }), ...found);
}
