import { ClaimListQuery, ClaimPage, ClaimPatch, ClaimStep, ClaimView, NewClaim } from "@medvault/contracts";
import { actorOf, allow, etagOf, ifMatch, parse } from "@medvault/service-kit";
import type { Router } from "express";
import type { Context } from "../context.ts";
import { idOf, send, writeRequestOf } from "../http/request.ts";
import { list, read } from "../resources/resource.service.ts";
import { amendClaim, draftClaim, STEP_PERMISSION, takeStep } from "./claim.service.ts";
import { claims } from "./claim.table.ts";
import type { Step } from "./claim.ts";

const STEPS: readonly Step[] = ["submit", "approve", "reject", "pay"];

export function claimRoutes(router: Router, context: Context): void {
  router.post("/v1/claims", allow("claim:write"), async (req, res) => {
    const input = parse(NewClaim, req.body);
    send(res, await draftClaim(context, actorOf(req), input, writeRequestOf(req)));
  });

  router.get("/v1/claims", allow("claim:read"), async (req, res) => {
    const query = parse(ClaimListQuery, req.query);
    res.json(ClaimPage.parse(await list(context, actorOf(req), claims, query)));
  });

  router.get("/v1/claims/:id", allow("claim:read"), async (req, res) => {
    const { view, rev } = await read(context, actorOf(req), claims, idOf(req));
    res.set("ETag", etagOf(rev)).json(ClaimView.parse(view));
  });

  router.patch("/v1/claims/:id", allow("claim:write"), async (req, res) => {
    const patch = parse(ClaimPatch, req.body);
    const { view, rev } = await amendClaim(context, actorOf(req), idOf(req), patch, ifMatch(req));
    res.set("ETag", etagOf(rev)).json(ClaimView.parse(view));
  });

  for (const step of STEPS) {
    router.post(`/v1/claims/:id/${step}`, allow(STEP_PERMISSION[step]), async (req, res) => {
      const { reason = null } = parse(ClaimStep, req.body ?? {});
      const request = writeRequestOf(req);
      send(res, await takeStep(context, actorOf(req), idOf(req), step, reason, ifMatch(req), request));
    });
  }
}
