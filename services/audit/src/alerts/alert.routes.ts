import { auditApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { changeAlert, listAlerts, readAlert } from "./alert.service.ts";

export const alertRoutes = (context: Context): Route[] => [
  route(auditApi.listAlerts, async ({ actor, query }) => ({ body: await listAlerts(context, actor, query) })),
  route(auditApi.readAlert, async ({ actor, params }) => {
    const { view, rev } = await readAlert(context, actor, params.id);
    return { body: view, rev };
  }),
  route(auditApi.changeAlert, async ({ actor, params, body, ifMatch }) => {
    const { view, rev } = await changeAlert(context, actor, params.id, body, ifMatch);
    return { body: view, rev };
  }),
];
