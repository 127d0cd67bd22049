import type { Actor } from "@medvault/contracts";
import type { Answer } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import type { Row } from "./patient-owned.ts";
import { done, readActOf } from "./resource.events.ts";
import { find } from "./resource.service.ts";
import type { Resource } from "./resource.ts";
import { listPast } from "./row-version.store.ts";

/** Every version, newest first, with who wrote it. Throws NotFound. */
export async function listVersions<T extends Row, View>(
  context: Context,
  actor: Actor,
  resource: Resource<T, View>,
  id: string,
): Promise<Answer<{ items: (View & { version: number })[] }>> {
  const value = await find(context, actor, resource, id);
  const past = await listPast(context.pool, context, actor, resource.permissions.read, id);
  const details = { versions: past.length + 1 };
  const act = { ...readActOf(resource, value), verb: "versions-read", details };
  await context.appender.append(done(actor, act));
  const items = [
    { ...resource.view(value), version: value.rev },
    ...past.map((one) => ({ ...resource.view(one.value as T), version: one.version })),
  ];
  return { body: { items } };
}
