import { backupApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import {
  deleteBackup,
  listAll,
  readBackup,
  requestRestore,
  startBackup,
  verifyBackup,
} from "./backup.service.ts";

export const backupRoutes = (context: Context): Route[] => [
  route(backupApi.create, async ({ actor, write }) => ({ body: await startBackup(context, actor, write) })),
  route(backupApi.list, async ({ actor, query }) => ({ body: await listAll(context, actor, query) })),
  route(backupApi.read, async ({ actor, params }) => ({ body: await readBackup(context, actor, params.id) })),
  route(backupApi.verify, async ({ actor, params, write }) => ({
    body: await verifyBackup(context, actor, params.id, write),
  })),
  route(backupApi.restore, async ({ actor, params, write }) => ({
    body: await requestRestore(context, actor, params.id, write),
  })),
  route(backupApi.remove, async ({ actor, params }) => {
    await deleteBackup(context, actor, params.id);
    return {};
  }),
];
