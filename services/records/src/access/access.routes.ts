import { AccessQuery, AccessView, NotFound, scopeOf } from "@medvault/contracts";
import { actorOf, parse, requireSession } from "@medvault/service-kit";
import type { Router } from "express";
import type { Context } from "../context.ts";
import { idOf } from "../http/request.ts";
import { reaches } from "./access.store.ts";

/**
 * What the files service asks, with the assertion that it was given: may this person touch files of this patient, and
 * is this prescription the patient's? It shows no PHI, and files records the act and the refusal, so it leaves no
 * event of its own.
 */
export function accessRoutes(router: Router, context: Context): void {
  router.get("/internal/patients/:id/access", requireSession(), async (req, res) => {
    const actor = actorOf(req);
    const { action, prescriptionId = null } = parse(AccessQuery, req.query);
    const permission = action === "read" ? "file:read" : "file:write";
    const patientId = idOf(req);
    if (!(await reaches(context.pool, actor, permission, patientId, prescriptionId))) throw new NotFound();
    res.json(AccessView.parse({ allowed: true, patientId, reason: scopeOf(actor, permission) }));
  });
}
