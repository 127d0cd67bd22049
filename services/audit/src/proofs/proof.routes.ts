import {
  AuditCheckpointPage,
  AuditConsistency,
  AuditConsistencyQuery,
  AuditProof,
  Id,
  NotFound,
  PageQuery,
} from "@medvault/contracts";
import { actorOf, allow, parse } from "@medvault/service-kit";
import type { Router } from "express";
import type { Context } from "../context.ts";
import { parseTilePath } from "../tree/tile.ts";
import {
  listCheckpoints,
  proveConsistency,
  proveInclusion,
  readCheckpoint,
  readTile,
} from "./proof.service.ts";

// Behind a sign-in, so only the client itself may keep it; C2SP tlog-tiles: immutable,
// "long-lived".
const TILE_CACHING = "private, max-age=31536000, immutable";

/** GET /v1/audit/events/{id}/proof, /checkpoint, /checkpoints, /consistency, /tile/…. */
export function proofRoutes(router: Router, context: Context): void {
  // A proof carries the body of its event, so it needs the right to read the log.
  router.get("/v1/audit/events/:id/proof", allow("audit:read"), async (req, res) => {
    res.json(AuditProof.parse(await proveInclusion(context, actorOf(req), parse(Id, req.params.id))));
  });

  router.get("/v1/audit/checkpoint", allow("audit:proof"), async (_req, res) => {
    res.type("text/plain; charset=utf-8").send((await readCheckpoint(context)).note);
  });

  router.get("/v1/audit/checkpoints", allow("audit:proof"), async (req, res) => {
    const page = await listCheckpoints(context, parse(PageQuery, req.query));
    res.json(AuditCheckpointPage.parse(page));
  });

  router.get("/v1/audit/consistency", allow("audit:proof"), async (req, res) => {
    const sizes = parse(AuditConsistencyQuery, req.query);
    res.json(AuditConsistency.parse(await proveConsistency(context, sizes)));
  });

  router.get("/v1/audit/tile/*path", allow("audit:proof"), async (req, res) => {
    const segments = (req.params as { path?: string[] }).path ?? [];
    const name = parseTilePath(segments.join("/"));
    if (name === null) throw new NotFound();
    const bytes = await readTile(context, name);
    res.setHeader("Cache-Control", TILE_CACHING);
    res.type("application/octet-stream").send(bytes);
  });
}
