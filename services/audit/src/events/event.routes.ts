import {
  AuditEventPage,
  AuditEventQuery,
  AuditEventView,
  AuditStats,
  AuditStatsQuery,
  Id,
} from "@medvault/contracts";
import { actorOf, allow, parse } from "@medvault/service-kit";
import type { Router } from "express";
import type { Context } from "../context.ts";
import { countEvents, queryEvents, readEvent } from "./event.service.ts";

/** GET /v1/audit/events, /events/{id}, /stats. */
export function eventRoutes(router: Router, context: Context): void {
  router.get("/v1/audit/events", allow("audit:read"), async (req, res) => {
    const page = await queryEvents(context, actorOf(req), parse(AuditEventQuery, req.query));
    res.json(AuditEventPage.parse(page));
  });
  router.get("/v1/audit/events/:id", allow("audit:read"), async (req, res) => {
    res.json(AuditEventView.parse(await readEvent(context, actorOf(req), parse(Id, req.params.id))));
  });
  router.get("/v1/audit/stats", allow("audit:read"), async (req, res) => {
    res.json(AuditStats.parse(await countEvents(context, actorOf(req), parse(AuditStatsQuery, req.query))));
  });
}
