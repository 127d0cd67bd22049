import { tracingChannel } from "node:diagnostics_channel";
import { propagation, ROOT_CONTEXT, type Span, SpanKind, TraceFlags, trace } from "@opentelemetry/api";
import { childSpan, endSpan, isTraced } from "./child-span.ts";

/** As libs/messaging tells it: events, as objects or JSON texts, and where they go or come from. */
interface Journey {
  readonly events: readonly (string | Travelling)[];
  readonly queue: string;
  error?: unknown;
}
interface Travelling {
  readonly id?: string;
  readonly type?: string;
  readonly traceparent?: string | null | undefined;
}

/** Of a trace that is recorded. */
const TRACEPARENT = /"traceparent":"(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f][13579bdf])"/;

/**
 * Spans of events on their way: written with their request, sent to the broker, and taken from it.
 * The last two happen in company, in another process or much later: each event has a span of its
 * own there, under the one that its traceparent names.
 */
export function traceEvents(): () => void {
  const stops = [
    follow("medvault:events:append", ({ events }) => {
      if (!isTraced()) return [];
      return [childSpan("append events", { "medvault.events": events.length }, SpanKind.INTERNAL)];
    }),
    follow("medvault:events:send", (journey) => spansOf(journey, "send", SpanKind.PRODUCER)),
    follow("medvault:events:process", (journey) => spansOf(journey, "process", SpanKind.CONSUMER)),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function follow(name: string, begin: (journey: Journey) => Span[]): () => void {
  const channel = tracingChannel<unknown, Journey>(name);
  const spans = new WeakMap<Journey, Span[]>();
  const subscribers = {
    start: (journey: Journey) => void spans.set(journey, begin(journey)),
    end() {},
    asyncStart() {},
    asyncEnd(journey: Journey) {
      for (const span of spans.get(journey) ?? []) endSpan(span, journey.error);
    },
    error() {},
  };
  channel.subscribe(subscribers);
  return () => channel.unsubscribe(subscribers);
}

function spansOf({ events, queue }: Journey, operation: string, kind: SpanKind): Span[] {
  const tracer = trace.getTracer("medvault");
  return events.flatMap((event) => {
    const { traceparent, id, type } = travelling(event);
    const parent = propagation.extract(ROOT_CONTEXT, { traceparent });
    const flags = trace.getSpanContext(parent)?.traceFlags ?? TraceFlags.NONE;
    if (!(flags & TraceFlags.SAMPLED)) return [];
    const attributes = {
      "messaging.system": "rabbitmq",
      "messaging.operation.type": operation,
      "messaging.destination.name": queue,
      ...(id && { "cloudevents.event_id": id }),
      ...(type && { "cloudevents.event_type": type }),
    };
    return tracer.startSpan(`${operation} ${queue}`, { kind, attributes }, parent);
  });
}

/** Most events of a busy service are not traced: those are not parsed. */
function travelling(event: string | Travelling): Travelling {
  if (typeof event !== "string") return event;
  const [, traceparent] = TRACEPARENT.exec(event) ?? [];
  if (!traceparent) return {};
  return { ...(JSON.parse(event) as Travelling), traceparent };
}
