import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { BASE_HEADER, fhirApi } from "@medvault/contracts";
import { type Route, streamRoute } from "@medvault/service-kit";
import type { Request, Response } from "express";
import type { Context } from "../context.ts";
import { everything } from "./everything.service.ts";

/** The base URL of the FHIR API, as the client has it. */
const baseOf = (req: Request): string => `${req.get(BASE_HEADER) ?? ""}/v1/fhir`;

export const fhirReadRoutes = (context: Context): Route[] => [
  streamRoute(fhirApi.export, async ({ actor, params, query, req, res }) =>
    send(res, await everything(context, actor, { ...query, ...params, base: baseOf(req) })),
  ),
];

/** Sends a bundle piece by piece; one that breaks off must not look whole. */
async function send(res: Response, pieces: AsyncGenerator<string>): Promise<void> {
  res.set("Content-Type", "application/fhir+json; charset=utf-8");
  await pipeline(Readable.from(pieces), res).catch((error: NodeJS.ErrnoException) => {
    res.destroy();
    if (error.code !== "ERR_STREAM_PREMATURE_CLOSE") throw error; // the client went away
  });
}
