import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { auditApi, type RowEventPage, Unauthenticated } from "@medvault/contracts";
import { lifecycleOf, type Route, streamRoute } from "@medvault/service-kit";
import type { Express } from "express";
import type { Context } from "../context.ts";
import { rowEvents } from "./row-event.service.ts";

export const rowEventRoutes = (context: Context): Route[] => [
  streamRoute(auditApi.readRowEvents, async ({ actor, query, req, res }) => {
    if (actor.id !== "service:records" || actor.role !== "service") throw new Unauthenticated();
    res.type("application/x-ndjson");
    const { draining } = lifecycleOf(req.app as Express);
    const lines = Readable.from(linesOf(rowEvents(context, query.from)));
    await pipeline(lines, res, { signal: draining }).catch(() => res.destroy());
  }),
];

async function* linesOf(pages: AsyncIterable<RowEventPage>): AsyncGenerator<string> {
  for await (const page of pages) yield `${JSON.stringify(page)}\n`;
}
