import { type Actor, Forbidden, Id, type ResourceAction, type Scope, scopeOf } from "@medvault/contracts";

/** How far an actor may go with one permission: the parameters of every query on patient data. */
export interface Reach {
  scope: Scope;
  userId: string;
}

/**
 * The widest scope in which the actor holds `resource:action`. Throws Forbidden without any (default deny), and
 * for an actor that is no person: only users can be on a care team or own a record.
 */
export function reachOf(actor: Actor, resourceAction: ResourceAction): Reach {
  const scope = scopeOf(actor, resourceAction);
  if (scope === null || !Id.safeParse(actor.id).success) throw new Forbidden();
  return { scope, userId: actor.id };
}
