import { type Actor, Forbidden, Id, type ResourceAction, type Scope, scopeOf } from "@medvault/contracts";

/** How far an actor may go with one permission: the parameters of every query on patient data. */
export interface Reach {
  scope: Scope;
  userId: string;
}

/**
 * The widest scope in which the actor holds `resource:action`. Throws Forbidden without any
 * (default deny), and for an actor that is no person: only users can be on a care team or own a
 * record.
 */
export function reachOf(actor: Actor, resourceAction: ResourceAction): Reach {
  const scope = scopeOf(actor, resourceAction);
  if (scope === null || !Id.safeParse(actor.id).success) throw new Forbidden();
  return { scope, userId: actor.id };
}

/**
 * The access predicate, as SQL: the row's patient (the column with their id) is one whom the user
 * reaches. The parameters `$at` and `$at+1` are a Reach's scope and user. Every statement on
 * patient data holds it, or starts from `patient_access` itself, or follows one that did.
 */
export const reached = (patientId: string, at: number): string =>
  `($${at} = 'any' or exists (select from patient_access a
              where a.patient_id = ${patientId} and a.user_id = $${at + 1} and a.scope = $${at}))`;
