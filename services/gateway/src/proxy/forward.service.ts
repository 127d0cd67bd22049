import {
  AppError,
  ASSERTION_HEADER,
  ClockSkew,
  RECORD_HEADER,
  RECORDED,
  Unavailable,
} from "@medvault/contracts";
import { lifecycleOf, requestIdOf, traceparentOf, UNTIMELY_HEADER } from "@medvault/service-kit";
import type { Request, Response } from "express";
import { abandonBody, boundedBody } from "../limits/body-limit.ts";
import type { Route } from "../routing/route-table.ts";
import { Departure, type UpstreamAnswer } from "./exchange.client.ts";
import { copyHeaders, inwardHeaders } from "./headers.ts";
import { ClientGone, upstreamError } from "./proxy.errors.ts";
import type { Upstream } from "./upstream.client.ts";

export interface Forwarding {
  upstream: Upstream;
  route: Route;
  /** Path and query. */
  target: string;
  /** How long the service may take to begin its answer. */
  answerMs: number;
  assertion: string;
  /** The whole body, or null for none; absent: it is streamed from the request. */
  body?: Buffer | null | undefined;
  withSession: boolean;
  /** How long a body may be idle, in or out, before its client is cut off. */
  idleTimeoutMs: number;
  /** Called once the service has answered, or may have acted without, before its caller knows. */
  onSettled?: (() => void) | undefined;
  /** Called for a refusal or failure of which the service has no event, with its code if known. */
  onUnrecorded?: ((status: number, code: string | undefined) => void) | undefined;
  /** Calls `end` once an answer without an end must not go on; gives back what stops that. */
  watch?: ((end: () => void) => () => void) | undefined;
  /** Further headers of our own to the service. */
  ownHeaders: Record<string, string>;
}

/**
 * Passes a request on and its answer back, streaming both ways: the slower side sets the pace, and
 * neither is held in memory. A client that goes away ends the call to the service. Throws AppError
 * for what fails before the answer begins; a later failure cuts the connection, so that half an
 * answer is not taken for a whole one.
 */
export async function forward(req: Request, res: Response, to: Forwarding): Promise<void> {
  if (res.destroyed) return; // gone while its session was looked up
  const client = new Departure();
  res.once("close", () => {
    if (!res.writableFinished) client.leave();
  });
  const body = to.body === undefined ? boundedBody(req, to.route.maxBodyBytes, to.idleTimeoutMs) : null;
  let answer: UpstreamAnswer;
  try {
    answer = await to.upstream.request({
      method: req.method,
      path: to.target,
      headers: inwardHeaders(req.headers, ownHeaders(req, to)),
      body: to.body ?? body,
      client,
      answerMs: to.answerMs,
      // Once begun, it may pause no longer than it could have taken to begin.
      bodyTimeoutMs: Math.min(to.route.bodyTimeoutMs, to.answerMs),
    });
  } catch (thrown) {
    body?.destroy();
    if (thrown instanceof ClientGone) return void res.destroy();
    if (body && !req.readableEnded) abandonBody(req, res);
    throw thrown instanceof AppError ? thrown : upstreamError(thrown);
  } finally {
    to.onSettled?.();
  }
  const isUntimely = UNTIMELY_HEADER in answer.headers;
  if (isUntimely || isForeignFailure(answer)) {
    answer.discard();
    throw isUntimely ? new ClockSkew() : new Unavailable(); // who is signed in stays so
  }
  try {
    copyHeaders(answer.headers, res, to.withSession);
    const cookies = to.route.service === "auth" ? answer.headers["set-cookie"] : undefined;
    if (cookies) res.setHeader("Set-Cookie", cookies);
  } catch (thrown) {
    answer.discard();
    throw upstreamError(thrown);
  }
  res.statusCode = answer.statusCode;
  if (answer.statusCode >= 400) tellUnrecorded(answer, to);
  if (body && !req.readableEnded) {
    // A service may answer while it still reads; one that refuses will not read the rest.
    if (answer.statusCode >= 400) res.setHeader("Connection", "close");
    res.once("finish", () => {
      if (!req.readableEnded) abandonBody(req, res);
    });
  }
  answer.sendTo(res, to.idleTimeoutMs);
  if (to.route.bodyTimeoutMs === 0) endInTime(req, res, answer, to);
}

/**
 * An endless stream ends when the gateway drains (its client reconnects to another gateway), and
 * when its reader would not be let in any more.
 */
function endInTime(req: Request, res: Response, answer: UpstreamAnswer, { watch }: Forwarding): void {
  const { draining } = lifecycleOf(req.app);
  const end = () => answer.finish();
  draining.addEventListener("abort", end, { once: true });
  const stop = watch?.(end);
  res.once("close", () => {
    draining.removeEventListener("abort", end);
    stop?.();
  });
  if (draining.aborted) end();
}

function ownHeaders(
  req: Request,
  { assertion, body, ownHeaders: further }: Forwarding,
): Record<string, string> {
  const traceparent = traceparentOf(req);
  const purpose = req.get("x-purpose");
  return {
    [ASSERTION_HEADER]: assertion,
    "x-request-id": requestIdOf(req),
    ...(traceparent ? { traceparent } : {}),
    ...(purpose ? { "x-purpose": purpose } : {}),
    ...further,
    ...(body ? { "content-length": String(body.length) } : {}),
  };
}

/** What says nothing of an event has none: nothing refused stays without. */
function tellUnrecorded({ statusCode, headers }: UpstreamAnswer, { onUnrecorded }: Forwarding): void {
  const said = headers[RECORD_HEADER];
  if (said !== RECORDED) onUnrecorded?.(statusCode, typeof said === "string" ? said : undefined);
}

/** A 5xx that is no problem or outcome is not from our service; its text must not be shown. */
function isForeignFailure(answer: UpstreamAnswer): boolean {
  const type = String(answer.headers["content-type"] ?? "");
  return answer.statusCode >= 500 && !/^application\/(problem|fhir)\+json/.test(type);
}
