import { BackupPage, BackupView, InvalidInput, NewBackup, PageQuery } from "@medvault/contracts";
import { actorOf, allow, parse, requireStepUp } from "@medvault/service-kit";
import type { Request, Router } from "express";
import type { BackupService } from "./backup.service.ts";

export function backupRoutes(router: Router, backups: BackupService): void {
  router.post("/v1/backups", allow("backup:write"), async (req, res) => {
    demandEmptyBody(req);
    res.status(202).json(BackupView.parse(await backups.start(requestOf(req))));
  });

  router.get("/v1/backups", allow("backup:read"), async (req, res) => {
    res.json(BackupPage.parse(await backups.list(actorOf(req), parse(PageQuery, req.query))));
  });

  router.get("/v1/backups/:id", allow("backup:read"), async (req, res) => {
    res.json(BackupView.parse(await backups.describe(actorOf(req), String(req.params.id))));
  });

  router.post("/v1/backups/:id/verify", allow("backup:write"), async (req, res) => {
    demandEmptyBody(req);
    res.status(202).json(BackupView.parse(await backups.verify(requestOf(req), String(req.params.id))));
  });

  router.post("/v1/backups/:id/restore", allow("backup:restore"), requireStepUp(), async (req, res) => {
    demandEmptyBody(req);
    res.status(202).json(BackupView.parse(await backups.restore(requestOf(req), String(req.params.id))));
  });

  router.delete("/v1/backups/:id", allow("backup:delete"), requireStepUp(), async (req, res) => {
    await backups.remove(actorOf(req), String(req.params.id));
    res.status(204).end();
  });
}

function requestOf(req: Request) {
  return { actor: actorOf(req), key: req.get("idempotency-key") };
}

/** No body, or an empty object: nothing can be set about a backup. */
function demandEmptyBody(req: Request): void {
  const body: unknown = req.body;
  if (body !== undefined && !NewBackup.safeParse(body).success) throw new InvalidInput();
}
