import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { AuditExportQuery } from "@medvault/contracts";
import { actorOf, allow, lifecycleOf, parse, requireStepUp } from "@medvault/service-kit";
import type { Express, Router } from "express";
import type { Context } from "../context.ts";
import { beginExport } from "./export.service.ts";

const TYPES = { ndjson: "application/x-ndjson", csv: "text/csv; charset=utf-8" } as const;

/** GET /v1/audit/export: a bulk export, so it needs a fresh sign-in. */
export function exportRoutes(router: Router, context: Context): void {
  router.get("/v1/audit/export", allow("audit:read"), requireStepUp(), async (req, res) => {
    const query = parse(AuditExportQuery, req.query);
    const pieces = await beginExport(context, actorOf(req), query);
    // In this order: attachment() guesses a type by the name, and knows none for ndjson.
    res.attachment(`audit.${query.format}`).type(TYPES[query.format]);
    // A client that goes away, a drain and a lost database all end the stream short of its end.
    const { draining } = lifecycleOf(req.app as Express);
    await pipeline(Readable.from(pieces), res, { signal: draining }).catch(() => res.destroy());
  });
}
