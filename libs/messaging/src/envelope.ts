import { CloudEvent, type NewEvent, newId } from "@medvault/contracts";
import { EventRefused } from "./errors.ts";

/** One event's JSON at most; a list that names 1,000 patients takes 40 KB. */
export const MAX_EVENT_BYTES = 64 * 1024;

/** An event in the outbox: the envelope as JSON text, without the producer's numbers. */
export interface OutboxEvent {
  id: string;
  audience: "audit" | "domain";
  type: string;
  outcome: string;
  json: string;
}

/**
 * Wraps an event as CloudEvents 1.0 of `source` ("records"; the gateway: "gateway/<instance>"),
 * with a new id and the present time. Throws EventRefused when it does not fit contracts, is not
 * named after its source (the broker would refuse it), or is beyond MAX_EVENT_BYTES.
 */
export function toOutboxEvent(source: string, event: NewEvent): OutboxEvent {
  const service = source.split("/")[0] ?? source;
  if (!event.type.startsWith(`medvault.${service}.`))
    throw new EventRefused(event.type, "not the source's own type");
  const parsed = CloudEvent.safeParse({
    specversion: "1.0",
    id: newId(),
    source: `/medvault/${source}`,
    type: event.type,
    subject: event.subject,
    time: new Date().toISOString(),
    datacontenttype: "application/json",
    data: event.data,
    ...(event.requestId === null ? {} : { requestid: event.requestId }),
    ...(event.traceparent === null ? {} : { traceparent: event.traceparent }),
  });
  if (!parsed.success) {
    const where = parsed.error.issues.map((issue) => issue.path.join(".")).join(", ");
    throw new EventRefused(event.type, `does not fit contracts at ${where.slice(0, 200)}`);
  }
  const json = JSON.stringify(parsed.data);
  if (Buffer.byteLength(json) > MAX_EVENT_BYTES) throw new EventRefused(event.type, "too large");
  const { id, data } = parsed.data;
  return { id, audience: event.audience ?? "audit", type: event.type, outcome: data.outcome, json };
}

/** The event's JSON with its producer's numbers spliced in: the relay need not parse it. */
export function withSequence(json: string, epoch: number, sequence: number): string {
  return `${json.slice(0, -1)},"producerepoch":${epoch},"producerseq":${sequence}}`;
}
