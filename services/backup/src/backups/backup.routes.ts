import { BackupPage, BackupView, InvalidInput, NewBackup, PageQuery } from "@medvault/contracts";
import { actorOf, allow, parse, requireStepUp } from "@medvault/service-kit";
import type { Request, Router } from "express";
import type { Context } from "../context.ts";
import {
  deleteBackup,
  listAll,
  readBackup,
  requestRestore,
  startBackup,
  verifyBackup,
} from "./backup.service.ts";

export function backupRoutes(router: Router, context: Context): void {
  router.post("/v1/backups", allow("backup:write"), async (req, res) => {
    res.status(202).json(BackupView.parse(await startBackup(context, actorOf(req), writeOf(req))));
  });

  router.get("/v1/backups", allow("backup:read"), async (req, res) => {
    res.json(BackupPage.parse(await listAll(context, actorOf(req), parse(PageQuery, req.query))));
  });

  router.get("/v1/backups/:id", allow("backup:read"), async (req, res) => {
    res.json(BackupView.parse(await readBackup(context, actorOf(req), String(req.params.id))));
  });

  router.post("/v1/backups/:id/verify", allow("backup:write"), async (req, res) => {
    const view = await verifyBackup(context, actorOf(req), String(req.params.id), writeOf(req));
    res.status(202).json(BackupView.parse(view));
  });

  router.post("/v1/backups/:id/restore", allow("backup:restore"), requireStepUp(), async (req, res) => {
    const view = await requestRestore(context, actorOf(req), String(req.params.id), writeOf(req));
    res.status(202).json(BackupView.parse(view));
  });

  router.delete("/v1/backups/:id", allow("backup:delete"), requireStepUp(), async (req, res) => {
    await deleteBackup(context, actorOf(req), String(req.params.id));
    res.status(204).end();
  });
}

/** No body, or an empty object: nothing can be set about a backup. */
function writeOf(req: Request) {
  const body: unknown = req.body;
  if (body !== undefined && !NewBackup.safeParse(body).success) throw new InvalidInput();
  return { key: req.get("idempotency-key"), method: req.method, path: req.path };
}
