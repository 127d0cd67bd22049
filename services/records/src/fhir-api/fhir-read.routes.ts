import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import {
  BASE_HEADER,
  FhirType,
  fhirApi,
  fhirReadApi,
  NotFound,
  TooLarge,
  UnsupportedMediaType,
} from "@medvault/contracts";
import { type Route, route, streamRoute } from "@medvault/service-kit";
import type { Request, Response } from "express";
import { inTurn } from "../access/turns.ts";
import type { Context } from "../context.ts";
import { isResourceType, resourceTypes } from "../fhir/definition.ts";
import { capabilityOf } from "./capability.ts";
import { everything } from "./everything.service.ts";
import { readHistory, readResource, readVersion } from "./fhir-read.service.ts";
import { searchResources } from "./fhir-search.service.ts";
import type { SearchPairs, Sent } from "./search-query.ts";
import { requireJson } from "./wanted-format.ts";

const MAX_FORM_BYTES = 64 * 1024;
const MAX_VERSIONS = 1_000;

/** The base URL of the FHIR API, as the client has it. */
const baseOf = (req: Request): string => `${req.get(BASE_HEADER) ?? ""}/v1/fhir`;

export const fhirReadRoutes = (context: Context): Route[] => [
  streamRoute(
    fhirApi.export,
    inTurn(context, async ({ actor, params, query, req, res }) => {
      requireJson(req.get("accept"), undefined);
      await send(res, await everything(context, actor, { ...query, ...params, base: baseOf(req) }));
    }),
  ),
  // Before the routes of a type: `metadata` is none.
  route(fhirReadApi.metadata, async ({ query, req }) => {
    requireJson(req.get("accept"), query._format);
    return { body: capabilityOf(baseOf(req), resourceTypes()) };
  }),
  route(fhirReadApi.read, async ({ actor, params, query, req }) => {
    requireJson(req.get("accept"), query._format);
    const { body, ...answer } = await readResource(context, actor, { ...query, ...typed(params) });
    return { ...answer, body: body as never };
  }),
  route(fhirReadApi.history, ({ actor, params, query, req }) => {
    requireJson(req.get("accept"), query._format);
    const count = Math.min(Number(query._count ?? MAX_VERSIONS), MAX_VERSIONS);
    return readHistory(context, actor, { ...query, ...typed(params), base: baseOf(req), count });
  }),
  route(fhirReadApi.readVersion, async ({ actor, params, query, req }) => {
    requireJson(req.get("accept"), query._format);
    const { body, ...answer } = await readVersion(context, actor, { ...query, ...typed(params) });
    return { ...answer, body: body as never };
  }),
  route(
    fhirReadApi.search,
    inTurn(context, async ({ actor, params, req }) =>
      searchResources(context, actor, { ...searchOf(req), ...typed(params), inBody: null }),
    ),
  ),
  route(
    fhirReadApi.searchByPost,
    inTurn(context, async ({ actor, params, req }) => {
      const search = { ...searchOf(req), ...typed(params) };
      return searchResources(context, actor, { ...search, inBody: await formOf(req) });
    }),
  ),
];

/** What a request says of a search, but for its body. */
function searchOf(req: Request) {
  const inUrl = pairsIn(req.originalUrl.split("?")[1] ?? "");
  requireJson(req.get("accept"), inUrl.find(([name]) => name === "_format")?.[1]);
  const [, said] = /\bhandling\s*=\s*(strict|lenient)\b/i.exec(req.get("prefer") ?? "") ?? [];
  const handling = (said?.toLowerCase() ?? null) as Sent["handling"];
  return { inUrl, handling, base: baseOf(req) };
}

const pairsIn = (text: string): SearchPairs => [...new URLSearchParams(text)];

/** A form's fields. Throws UnsupportedMediaType, TooLarge. */
async function formOf(req: Request): Promise<SearchPairs> {
  const type = req.get("content-type");
  if (type !== undefined && !/^application\/x-www-form-urlencoded\s*(;|$)/i.test(type))
    throw new UnsupportedMediaType("Send application/x-www-form-urlencoded.");
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_FORM_BYTES) throw new TooLarge();
    chunks.push(chunk);
  }
  return pairsIn(Buffer.concat(chunks).toString("utf8"));
}

/** The path's parts, where they name a type that there is. Throws NotFound. */
function typed<P extends { type: string }>(params: P): P {
  if (!FhirType.safeParse(params.type).success || !isResourceType(params.type)) throw new NotFound();
  return params;
}

/** Sends a bundle piece by piece; one that breaks off must not look whole. */
async function send(res: Response, pieces: AsyncGenerator<string>): Promise<void> {
  res.set("Content-Type", "application/fhir+json; charset=utf-8");
  await pipeline(Readable.from(pieces), res).catch((error: NodeJS.ErrnoException) => {
    res.destroy();
    if (error.code !== "ERR_STREAM_PREMATURE_CLOSE") throw error; // the client went away
  });
}
