import { auditApi, NotFound } from "@medvault/contracts";
import { callerOf, type Route, route, streamRoute } from "@medvault/service-kit";
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

export const proofRoutes = (context: Context): Route[] => [
  route(auditApi.prove, async ({ actor, params, req }) => ({
    body: await proveInclusion(context, callerOf(actor, req), params.id),
  })),
  route(auditApi.readCheckpoint, async () => ({ body: (await readCheckpoint(context)).note })),
  route(auditApi.listCheckpoints, async ({ query }) => ({ body: await listCheckpoints(context, query) })),
  route(auditApi.proveConsistency, async ({ query }) => ({ body: await proveConsistency(context, query) })),
  streamRoute(auditApi.readTile, async ({ params, res }) => {
    const name = parseTilePath(params.path);
    if (name === null) throw new NotFound();
    const bytes = await readTile(context, name);
    res.setHeader("Cache-Control", TILE_CACHING);
    res.type("application/octet-stream").send(bytes);
  }),
];
