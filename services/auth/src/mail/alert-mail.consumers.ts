import { ALERT_ANNOUNCED, AlertAnnouncement, type CloudEvent, Id } from "@medvault/contracts";
import type { Tx } from "@medvault/postgres";
import type { Consumption } from "@medvault/runtime";
import { listStaff } from "../accounts/account-list.store.ts";
import type { AuthContext } from "../context.ts";
import { listRoles } from "../roles/role.store.ts";

/** Of those who may see alerts, as many are mailed. */
const RECIPIENTS_MAX = 50;

export const alertMailConsumers = (ctx: AuthContext): Consumption[] => [
  {
    queue: "medvault.auth.alerts",
    bindings: [ALERT_ANNOUNCED],
    allowedSources: ["audit"],
    handle: (events, tx) => mailAlerts(ctx, events, tx),
  },
];

/** Puts a mail in line for everyone who is to know of an alert that was opened. */
export async function mailAlerts(ctx: AuthContext, events: readonly CloudEvent[], tx: Tx): Promise<void> {
  for (const { subject, data } of events) {
    const alertId = Id.parse(subject.replace(/^alert\//, ""));
    const alert = AlertAnnouncement.parse(data.details);
    if (alert.change === "changed") continue; // whoever changed it knows
    for (const recipient of await recipientsOf(ctx, tx))
      await ctx.mails.later(tx, { name: "alert", alertId, alert, ...recipient });
  }
}

/** By the setting, or everyone who may see alerts. */
async function recipientsOf(
  ctx: AuthContext,
  tx: Tx,
): Promise<{ userId: string | null; email: string | null }[]> {
  const { alertMailsTo } = ctx.settings;
  if (alertMailsTo) return alertMailsTo.map((email) => ({ userId: null, email }));
  const roles = (await listRoles(tx)).filter(({ permissions }) => permissions.includes("alert:read:any"));
  const staff = roles.map(({ role }) => role).filter((role) => role !== "guest");
  const found = await listStaff(tx, ctx, { roles: staff, ids: null, before: null, limit: RECIPIENTS_MAX });
  return found.map(({ id }) => ({ userId: id, email: null }));
}
