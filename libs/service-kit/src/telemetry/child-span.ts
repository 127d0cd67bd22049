import { type Attributes, type Span, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";

/**
 * Whether a request is running whose trace is recorded. What a process does by itself, again and
 * again, makes no traces; what is not recorded is asked for nothing.
 */
export const isTraced = (): boolean => trace.getActiveSpan()?.isRecording() === true;

/** A span of what the running request does, which `isTraced`. */
export const childSpan = (name: string, attributes: Attributes, kind = SpanKind.CLIENT): Span =>
  trace.getTracer("medvault").startSpan(name, { kind, attributes });

/** Ends a span; of an error its code alone, since messages of servers quote values. */
export function endSpan(span: Span, error?: unknown): void {
  if (error !== undefined && error !== null) {
    const { code, name } = error as { code?: unknown; name?: unknown };
    span.setAttribute("error.type", String(code ?? name ?? "unknown").slice(0, 100));
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}
