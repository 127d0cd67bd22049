import { backupApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import {
  cancelBackup,
  deleteBackup,
  listAll,
  readBackup,
  requestRestore,
  startBackup,
  verifyBackup,
} from "./backup.service.ts";
import { readSchedule, setSchedule } from "./schedule.service.ts";

export const backupRoutes = (context: Context): Route[] => [
  route(backupApi.create, ({ actor, write }) => startBackup(context, actor, write)),
  route(backupApi.list, async ({ actor, query }) => ({ body: await listAll(context, actor, query) })),
  // Before the route of one backup: this name is none of an id.
  route(backupApi.readSchedule, ({ actor }) => readSchedule(context, actor)),
  route(backupApi.replaceSchedule, ({ actor, body, ifMatch, write }) =>
    setSchedule(context, actor, body, ifMatch, write),
  ),
  route(backupApi.read, async ({ actor, params }) => ({ body: await readBackup(context, actor, params.id) })),
  route(backupApi.verify, ({ actor, params, write }) => verifyBackup(context, actor, params.id, write)),
  route(backupApi.restore, ({ actor, params, body, write }) =>
    requestRestore(context, actor, params.id, write, "restore", body?.withoutSafetyBackup),
  ),
  route(backupApi.preview, ({ actor, params, write }) =>
    requestRestore(context, actor, params.id, write, "preview"),
  ),
  route(backupApi.cancel, ({ actor, params, write }) => cancelBackup(context, actor, params.id, write)),
  route(backupApi.remove, async ({ actor, params }) => {
    await deleteBackup(context, actor, params.id);
    return {};
  }),
];
