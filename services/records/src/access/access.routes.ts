import { careTeamApi, NotFound } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { knownPeople, vouchedChart } from "./access.store.ts";
import { reasonOf } from "./reach.ts";

/**
 * What the files service asks, with the assertion that it was given: may this person touch files of
 * this patient, and is this prescription the patient's? It shows no PHI, and files records the act
 * and the refusal, so it leaves no event of its own.
 */
export const accessRoutes = (context: Context): Route[] => [
  route(careTeamApi.checkAccess, async ({ actor, params, query }) => {
    const { action, prescriptionId = null } = query;
    const permission = `file:${action}` as const;
    const found = await vouchedChart(context.pool, actor, permission, params.id, prescriptionId);
    if (!found) throw new NotFound();
    const { basis, ...rest } = found;
    const reason = basis ?? reasonOf(actor, permission);
    return { body: { allowed: true as const, patientId: params.id, reason, ...rest } };
  }),
  // For auth, which leaves the event of the names that it tells.
  route(careTeamApi.listKnown, async ({ actor }) => ({ body: await knownPeople(context.pool, actor) })),
];
