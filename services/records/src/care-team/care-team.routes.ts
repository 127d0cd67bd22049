import { CareTeamMember, CareTeamView } from "@medvault/contracts";
import { actorOf, allow } from "@medvault/service-kit";
import type { Router } from "express";
import type { Context } from "../context.ts";
import { idOf, send, writeRequestOf } from "../http/request.ts";
import * as careTeam from "./care-team.service.ts";

export function careTeamRoutes(router: Router, context: Context): void {
  router.get("/v1/patients/:id/care-team", allow("careteam:read"), async (req, res) => {
    const items = await careTeam.readCareTeam(context, actorOf(req), idOf(req));
    res.json(CareTeamView.parse({ items }));
  });

  router.get("/v1/patients/:id/care-team/:userId", allow("careteam:read"), async (req, res) => {
    const member = await careTeam.readMember(context, actorOf(req), idOf(req), idOf(req, "userId"));
    res.json(CareTeamMember.parse(member));
  });

  router.put("/v1/patients/:id/care-team/:userId", allow("careteam:write"), async (req, res) => {
    const request = writeRequestOf(req);
    send(res, await careTeam.assign(context, actorOf(req), idOf(req), idOf(req, "userId"), request));
  });

  router.delete("/v1/patients/:id/care-team/:userId", allow("careteam:write"), async (req, res) => {
    await careTeam.unassign(context, actorOf(req), idOf(req), idOf(req, "userId"));
    res.status(204).end();
  });
}
