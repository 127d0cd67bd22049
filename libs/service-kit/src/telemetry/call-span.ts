import { type ChannelListener, subscribe, unsubscribe } from "node:diagnostics_channel";
import { context, propagation, type Span, trace } from "@opentelemetry/api";
import { childSpan, endSpan, isTraced } from "./child-span.ts";

/** What undici shows of a request; its headers are names and values in turn. */
interface Call {
  readonly origin?: string | URL;
  readonly method?: string;
  readonly headers?: unknown;
  addHeader?(name: string, value: string): void;
}
interface Message {
  readonly request: Call;
  readonly response?: { readonly statusCode: number };
  readonly error?: unknown;
}

/**
 * Spans of calls to other services, by the channels of undici: method and server, never the path.
 * The service that is called goes on under the span of the call.
 */
export function traceCalls(): () => void {
  const spans = new WeakMap<Call, Span>();
  const listeners: Record<string, (message: Message) => void> = {
    "undici:request:create"({ request }) {
      if (!isTraced()) return; // the service is told so by the traceparent that it gets anyway
      const server = URL.parse(String(request.origin));
      const method = request.method ?? "GET";
      const span = childSpan(method, {
        "http.request.method": method,
        ...(server && { "server.address": server.hostname, "server.port": Number(server.port) || 443 }),
      });
      spans.set(request, span);
      propagation.inject(trace.setSpan(context.active(), span), request, { set: putHeader });
    },
    "undici:request:headers"({ request, response }) {
      if (response) spans.get(request)?.setAttribute("http.response.status_code", response.statusCode);
    },
    "undici:request:trailers"({ request }) {
      const span = spans.get(request);
      if (span) endSpan(span);
    },
    "undici:request:error"({ request, error }) {
      const span = spans.get(request);
      if (span) endSpan(span, error);
    },
  };
  const entries = Object.entries(listeners) as [string, ChannelListener][];
  for (const [name, listener] of entries) subscribe(name, listener);
  return () => {
    for (const [name, listener] of entries) unsubscribe(name, listener);
  };
}

function putHeader(request: Call, name: string, value: string): void {
  const { headers } = request;
  const at = Array.isArray(headers) ? headers.findIndex((one, i) => i % 2 === 0 && one === name) : -1;
  if (at >= 0) (headers as unknown[])[at + 1] = value;
  else request.addHeader?.(name, value);
}
