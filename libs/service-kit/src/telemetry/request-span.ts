import {
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import type { Request, RequestHandler, Response } from "express";
import { requestIdOf, routeOf, sessionIdOf } from "../request.ts";

const UNTRACED: ReadonlySet<string> = new Set(["/healthz", "/readyz", "/metrics"]);

/** A span for each request, named by its route's template once that is known. */
export function requestSpans(): RequestHandler {
  const tracer = trace.getTracer("medvault");
  return (req, res, next) => {
    if (UNTRACED.has(req.path)) return next();
    const parent = propagation.extract(ROOT_CONTEXT, req.headers);
    const span = tracer.startSpan(req.method, { kind: SpanKind.SERVER }, parent);
    res.once("close", () => end(span, req, res));
    context.with(trace.setSpan(parent, span), next);
  };
}

function end(span: Span, req: Request, res: Response): void {
  if (!span.isRecording()) return;
  const route = routeOf(req);
  const sessionId = sessionIdOf(req);
  span.updateName(route === "none" ? req.method : `${req.method} ${route}`);
  span.setAttributes({
    "http.request.method": req.method,
    "http.response.status_code": res.statusCode,
    "medvault.request_id": requestIdOf(req),
    ...(route !== "none" && { "http.route": route }),
    ...(sessionId && { "session.id": sessionId }),
    ...(!res.writableFinished && { "error.type": "client_gone" }),
  });
  if (res.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}
