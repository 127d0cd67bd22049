import { withSequence } from "./envelope.ts";
import { BATCH_CONTENT_TYPE, EVENT_CONTENT_TYPE, type OutgoingMessage } from "./publisher.ts";
import type { Batch, OutboxRow } from "./relay.store.ts";
import { auditRoutingKey } from "./topology.ts";

const MAX_EVENTS_PER_MESSAGE = 100;
/** One more event may come on top of it. */
const MAX_MESSAGE_BYTES = 1024 * 1024;

/** A journaled batch's audit events as CloudEvents batches; missing rows leave a gap. */
export function auditMessages(service: string, batch: Batch, rows: readonly OutboxRow[]): OutgoingMessage[] {
  const index = new Map(batch.positions.map((position, i) => [position, i]));
  const numbered = rows.map((row) =>
    withSequence(row.event, batch.epoch, batch.firstSeq + (index.get(row.position) ?? 0)),
  );
  return batchMessages(auditRoutingKey(service), numbered);
}

/** JSON texts of events as messages of at most 100 events and about 1 MiB. */
export function batchMessages(routingKey: string, events: readonly string[]): OutgoingMessage[] {
  const messages: OutgoingMessage[] = [];
  let chunk: string[] = [];
  let bytes = 0;
  const close = (): void => {
    if (chunk.length === 0) return;
    const body = Buffer.from(`[${chunk.join(",")}]`);
    messages.push({ routingKey, contentType: BATCH_CONTENT_TYPE, body, events: chunk });
    chunk = [];
    bytes = 0;
  };
  for (const event of events) {
    chunk.push(event);
    bytes += Buffer.byteLength(event);
    if (chunk.length === MAX_EVENTS_PER_MESSAGE || bytes >= MAX_MESSAGE_BYTES) close();
  }
  close();
  return messages;
}

/** A domain event alone, its type as routing key. */
export function domainMessage(row: OutboxRow): OutgoingMessage {
  const body = Buffer.from(row.event);
  return { routingKey: row.type, contentType: EVENT_CONTENT_TYPE, body, events: [row.event] };
}
