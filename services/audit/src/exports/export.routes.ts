import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { auditApi } from "@medvault/contracts";
import { callerOf, delegatedCharts, lifecycleOf, type Route, streamRoute } from "@medvault/service-kit";
import type { Express, Request, Response } from "express";
import type { Context } from "../context.ts";
import { beginChartLog, beginExport } from "./export.service.ts";
import { FORMATS } from "./format.ts";

const NDJSON = { contentType: "application/x-ndjson", extension: "ndjson" };

export const exportRoutes = (context: Context): Route[] => [
  streamRoute(auditApi.export, async ({ actor, query, req, res }) => {
    const free = context.exportPlaces.take(actor.id);
    try {
      const pieces = await beginExport(context, callerOf(actor, req), query);
      const { contentType, extension } = query.format === "ndjson" ? NDJSON : FORMATS[query.format];
      // In this order: attachment() guesses a type by the name, and knows none for ndjson.
      res.attachment(`audit.${extension}`).set("Content-Type", contentType);
      await send(req, res, pieces);
    } finally {
      free();
    }
  }),
  streamRoute(auditApi.readChartLog, async ({ actor, params, req, res }) => {
    const pieces = await beginChartLog(context, callerOf(actor, req), delegatedCharts(req), params.id);
    res.type(FORMATS.csv.contentType);
    await send(req, res, pieces);
  }),
];

/** A client that goes away, a drain and a lost database all end the stream short of its end. */
async function send(req: Request, res: Response, pieces: AsyncGenerator<string>): Promise<void> {
  const { draining } = lifecycleOf(req.app as Express);
  await pipeline(Readable.from(pieces), res, { signal: draining }).catch(() => res.destroy());
}
