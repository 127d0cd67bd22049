import { reminderApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import type { AuthContext } from "../context.ts";
import { changePreferences, readPreferences, stopReminders } from "./preference.service.ts";

export const preferenceRoutes = (ctx: AuthContext): Route[] => [
  route(reminderApi.readPreferences, async ({ actor }) => ({ body: await readPreferences(ctx, actor) })),
  route(reminderApi.changePreferences, async ({ actor, body }) => ({
    body: await changePreferences(ctx, actor, body),
  })),
  route(reminderApi.stop, async ({ actor, body }) => {
    await stopReminders(ctx, actor, body.token);
    return {};
  }),
  route(reminderApi.stopByMail, async ({ actor, params }) => {
    await stopReminders(ctx, actor, params.token);
    return {};
  }),
];
