import {
  AuditCheckpointPage,
  AuditConsistency,
  AuditConsistencyQuery,
  AuditProof,
  decodeCursor,
  encodeCursor,
  Id,
  NotFound,
  PageQuery,
} from "@medvault/contracts";
import { actorOf, allow, parse } from "@medvault/service-kit";
import type { Router } from "express";
import type pg from "pg";
import { z } from "zod";
import { checkpointsBelow } from "../checkpoints/checkpoint.store.ts";
import { parseTilePath } from "../tree/tile.ts";
import type { ProofsService } from "./proofs.service.ts";

// Behind a sign-in, so only the client itself may keep it; C2SP tlog-tiles: immutable, "long-lived".
const TILE_CACHING = "private, max-age=31536000, immutable";
const Cursor = z.int().positive();

/** GET /v1/audit/events/{id}/proof, /checkpoint, /checkpoints, /consistency, /tile/…. */
export function proofRoutes(router: Router, pool: pg.Pool, proofs: ProofsService): void {
  // A proof carries its event's body, so it wants the right to read the log.
  router.get("/v1/audit/events/:id/proof", allow("audit:read"), async (req, res) => {
    res.json(AuditProof.parse(await proofs.inclusion(actorOf(req), parse(Id, req.params.id))));
  });

  router.get("/v1/audit/checkpoint", allow("audit:proof"), async (_req, res) => {
    res.type("text/plain; charset=utf-8").send((await proofs.latest()).note);
  });

  router.get("/v1/audit/checkpoints", allow("audit:proof"), async (req, res) => {
    const { limit, cursor } = parse(PageQuery, req.query);
    const found = await checkpointsBelow(pool, decodeCursor(Cursor, cursor) ?? null, limit + 1);
    const items = found.slice(0, limit);
    const last = found.length > limit ? items.at(-1) : undefined;
    const views = items.map(({ size, root, note, signedAt }) => ({
      size,
      root: root.toString("base64"),
      note,
      signedAt: signedAt.toISOString(),
    }));
    res.json(AuditCheckpointPage.parse({ items: views, nextCursor: last ? encodeCursor(last.size) : null }));
  });

  router.get("/v1/audit/consistency", allow("audit:proof"), async (req, res) => {
    const { from, to } = parse(AuditConsistencyQuery, req.query);
    res.json(AuditConsistency.parse(await proofs.consistency(from, to)));
  });

  router.get("/v1/audit/tile/*path", allow("audit:proof"), async (req, res) => {
    const segments = (req.params as { path?: string[] }).path ?? [];
    const name = parseTilePath(segments.join("/"));
    if (name === null) throw new NotFound();
    const bytes = await proofs.tile(name);
    res.setHeader("Cache-Control", TILE_CACHING);
    res.type("application/octet-stream").send(bytes);
  });
}
