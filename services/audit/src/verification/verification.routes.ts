import { AuditVerification } from "@medvault/contracts";
import { actorOf, allow } from "@medvault/service-kit";
import type { Router } from "express";
import type { Context } from "../context.ts";
import { verify } from "./verification.service.ts";

/** POST /v1/audit/verify. */
export function verificationRoutes(router: Router, context: Context): void {
  router.post("/v1/audit/verify", allow("audit:verify"), async (req, res) => {
    res.json(AuditVerification.parse(await verify(context, actorOf(req))));
  });
}
