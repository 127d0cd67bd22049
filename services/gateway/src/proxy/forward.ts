import { pipeline } from "node:stream/promises";
import { AppError, ASSERTION_HEADER, Unavailable } from "@medvault/contracts";
import { requestIdOf, traceparentOf } from "@medvault/service-kit";
import type { Request, Response } from "express";
import { boundedBody } from "../limits/body-limit.ts";
import type { Route } from "../routing/route-table.ts";
import { inwardHeaders, outwardHeaders } from "./headers.ts";
import { ClientGone, upstreamError } from "./proxy.errors.ts";
import type { Upstream, UpstreamAnswer } from "./upstream.ts";

export interface Forwarding {
  upstream: Upstream;
  route: Route;
  /** Path and query. */
  target: string;
  assertion: string;
  withSession: boolean;
}

/**
 * Passes a request on and its answer back, streaming both ways: the slower side sets the pace, and neither is held
 * in memory. A client that goes away ends the call to the service. Throws AppError for what failed before the
 * answer began; what breaks later cuts the connection, so that half an answer is not taken for a whole one.
 */
export async function forward(req: Request, res: Response, to: Forwarding): Promise<void> {
  if (res.destroyed) return; // gone while its session was looked up
  const gone = new AbortController();
  const onClose = () => {
    if (!res.writableFinished) gone.abort();
  };
  res.once("close", onClose);
  const body = boundedBody(req, to.route.maxBodyBytes);
  const bodyFault = new Promise<never>((_resolve, reject) => body?.once("error", reject));
  bodyFault.catch(() => undefined); // it may come when nobody waits any more
  let answer: UpstreamAnswer;
  try {
    const calling = to.upstream.request({
      method: req.method,
      path: to.target,
      headers: inwardHeaders(req.headers, ownHeaders(req, to.assertion)),
      body,
      signal: gone.signal,
      headersTimeoutMs: to.route.headersTimeoutMs,
      bodyTimeoutMs: to.route.bodyTimeoutMs,
    });
    calling.catch(() => undefined);
    answer = await Promise.race([calling, bodyFault]);
  } catch (thrown) {
    body?.destroy();
    if (thrown instanceof ClientGone) return void res.destroy();
    if (body && !req.readableEnded) abandonBody(req, res);
    throw thrown instanceof AppError ? thrown : upstreamError(thrown);
  }
  if (isForeignFailure(answer)) {
    answer.body.on("error", () => undefined).destroy();
    throw new Unavailable();
  }
  res.status(answer.statusCode);
  for (const [name, value] of outwardHeaders(answer.headers, to.withSession)) res.setHeader(name, value);
  // A service may answer while it still reads; one that refuses will not read the rest.
  if (body && !req.readableEnded && answer.statusCode >= 400) res.setHeader("Connection", "close");
  await pipeline(answer.body, res).catch(() => res.destroy());
  if (body && !req.readableEnded) abandonBody(req, res);
}

function ownHeaders(req: Request, assertion: string): Record<string, string> {
  const traceparent = traceparentOf(req);
  const purpose = req.get("x-purpose");
  return {
    [ASSERTION_HEADER]: assertion,
    "x-request-id": requestIdOf(req),
    ...(traceparent ? { traceparent } : {}),
    ...(purpose ? { "x-purpose": purpose } : {}),
  };
}

/** The rest of an unread body is not waited for: the connection ends with the answer. */
function abandonBody(req: Request, res: Response): void {
  if (!res.headersSent) res.setHeader("Connection", "close");
  req.unpipe();
  req.resume();
}

/** A 5xx that is no problem document comes from something between us and the service; its text is not ours to show. */
function isForeignFailure(answer: UpstreamAnswer): boolean {
  const type = String(answer.headers["content-type"] ?? "");
  return answer.statusCode >= 500 && !type.startsWith("application/problem+json");
}
