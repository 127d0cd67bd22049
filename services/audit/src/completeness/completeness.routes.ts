import { AuditCompletenessPage } from "@medvault/contracts";
import { actorOf, allow } from "@medvault/service-kit";
import type { Router } from "express";
import type { Context } from "../context.ts";
import { listCompleteness } from "./completeness.service.ts";

/** GET /v1/audit/completeness. */
export function completenessRoutes(router: Router, context: Context): void {
  router.get("/v1/audit/completeness", allow("audit:read"), async (req, res) => {
    res.json(AuditCompletenessPage.parse(await listCompleteness(context, actorOf(req))));
  });
}
