import { once } from "node:events";
import { auditApi } from "@medvault/contracts";
import { lifecycleOf, type Route, streamRoute } from "@medvault/service-kit";
import type { Express, Request, Response } from "express";
import type { Context } from "../context.ts";
import { requireWholeLog } from "../events/event.ts";
import { type LogStream, openStream, type StreamEnd } from "./stream.service.ts";

const HEADERS = {
  "Content-Type": "text/event-stream; charset=utf-8",
  "Cache-Control": "no-store",
  "X-Accel-Buffering": "no", // proxies would else keep what is small until there is more of it
};

export const streamRoutes = (context: Context): Route[] => [
  streamRoute(auditApi.stream, async ({ actor, query, req, res }) => {
    if (req.method === "HEAD") {
      requireWholeLog(actor);
      return void res.set(HEADERS).end();
    }
    const stream = await openStream(context, actor, query, req.get("last-event-id"));
    res.set(HEADERS);
    const reason = await send(context, req, res, stream);
    await stream.end(reason);
    if (reason === "reader_stalled") res.destroy();
    else res.end();
  }),
];

/** Sends what comes at the pace of its reader, until one side ends it; says which, and why. */
async function send(
  { streams, logger }: Context,
  req: Request,
  res: Response,
  stream: LogStream,
): Promise<StreamEnd> {
  const { draining } = lifecycleOf(req.app as Express);
  const left = new AbortController();
  res.once("close", () => left.abort());
  const signal = AbortSignal.any([draining, left.signal]);
  if (res.destroyed) left.abort();
  const reason = (): StreamEnd => (left.signal.aborted ? "reader_left" : "service_stopped");
  try {
    for await (const text of stream.frames(signal)) {
      // Those who take nothing hold no more than this one piece, and not for long.
      if (!res.write(text) && !(await isTaken(res, signal, streams.stalledMs)))
        return signal.aborted ? reason() : "reader_stalled";
    }
    return reason();
  } catch (err) {
    if (signal.aborted) return reason();
    logger.warn({ err }, "a stream of the log broke off"); // its reader comes back
    return "failed";
  }
}

async function isTaken(res: Response, signal: AbortSignal, withinMs: number): Promise<boolean> {
  const late = AbortSignal.timeout(withinMs);
  return await once(res, "drain", { signal: AbortSignal.any([signal, late]) }).then(
    () => true,
    () => false,
  );
}
