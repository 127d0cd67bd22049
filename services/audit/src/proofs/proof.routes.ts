import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { auditApi, NotFound } from "@medvault/contracts";
import { callerOf, lifecycleOf, type Route, route, streamRoute } from "@medvault/service-kit";
import type { Express, Request, Response } from "express";
import type { Context } from "../context.ts";
import { parseTilePath } from "../tree/tile.ts";
import { cosignedNote } from "../witnesses/witness.service.ts";
import { beginBodies, beginHashes } from "./log-stream.service.ts";
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

export const proofRoutes = (context: Context): Route[] => [
  route(auditApi.prove, async ({ actor, params, req }) => ({
    body: await proveInclusion(context, callerOf(actor, req), params.id),
  })),
  route(auditApi.readCheckpoint, async () => ({
    body: await cosignedNote(context, await readCheckpoint(context)),
  })),
  route(auditApi.listCheckpoints, async ({ query }) => ({ body: await listCheckpoints(context, query) })),
  route(auditApi.proveConsistency, async ({ query }) => ({ body: await proveConsistency(context, query) })),
  streamRoute(auditApi.readTile, async ({ params, res }) => {
    const name = parseTilePath(params.path);
    if (name === null) throw new NotFound();
    const bytes = await readTile(context, name);
    res.setHeader("Cache-Control", TILE_CACHING);
    res.type("application/octet-stream").send(bytes);
  }),
  streamRoute(auditApi.readHashes, async ({ query, req, res }) => {
    const pieces = await beginHashes(context, query);
    await send(req, res.type("application/octet-stream"), pieces);
  }),
  streamRoute(auditApi.readBodies, async ({ actor, query, req, res }) => {
    const pieces = await beginBodies(context, callerOf(actor, req), query);
    await send(req, res.type("application/x-ndjson"), pieces);
  }),
];

/** A client that goes away, a drain and a lost database all end the stream short of its end. */
async function send(req: Request, res: Response, pieces: AsyncGenerator<Buffer | string>): Promise<void> {
  const { draining } = lifecycleOf(req.app as Express);
  await pipeline(Readable.from(pieces), res, { signal: draining }).catch(() => res.destroy());
}
