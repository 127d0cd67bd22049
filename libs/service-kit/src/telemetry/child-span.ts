import { type Attributes, type Span, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";

/**
 * A span of what the running request does; null where there is none, so that what a process does
 * by itself, again and again, makes no traces.
 */
export function childSpan(name: string, attributes: Attributes, kind = SpanKind.CLIENT): Span | null {
  if (!trace.getActiveSpan()) return null;
  return trace.getTracer("medvault").startSpan(name, { kind, attributes });
}

/** Ends a span; of an error its code alone, since messages of servers quote values. */
export function endSpan(span: Span, error?: unknown): void {
  if (error !== undefined && error !== null) {
    const { code, name } = error as { code?: unknown; name?: unknown };
    span.setAttribute("error.type", String(code ?? name ?? "unknown").slice(0, 100));
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}
