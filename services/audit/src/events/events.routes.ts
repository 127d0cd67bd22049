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
import type { EventsService } from "./events.service.ts";

/** GET /v1/audit/events, /events/{id}, /stats. */
export function eventRoutes(router: Router, events: EventsService, now: () => Date): void {
  router.get("/v1/audit/events", allow("audit:read"), async (req, res) => {
    res.json(AuditEventPage.parse(await events.query(actorOf(req), parse(AuditEventQuery, req.query))));
  });
  router.get("/v1/audit/events/:id", allow("audit:read"), async (req, res) => {
    res.json(AuditEventView.parse(await events.read(actorOf(req), parse(Id, req.params.id))));
  });
  router.get("/v1/audit/stats", allow("audit:read"), async (req, res) => {
    const { bucket, ...filter } = parse(AuditStatsQuery, req.query);
    res.json(AuditStats.parse(await events.stats(actorOf(req), filter, bucket, now())));
  });
}
