import type { AuditEventView } from "@medvault/contracts";

/** How soon a reader whose stream has ended comes back. */
const RETRY_MS = 1_000;

/** An alert's every change is an entry: so none is missed, or comes twice, over a reconnect. */
const ALERT = /^medvault\.audit\.alert\.(opened|changed)\.v1$/;

/**
 * An entry as a server-sent event; its id is its index. JSON holds no line break of its own. It is
 * the same for all readers and outlives their assertions, so that it names nobody: the directory
 * does.
 */
export function entryFrame(event: AuditEventView): string {
  const actor = event.actor && { ...event.actor, name: null };
  const kind = ALERT.test(event.type) ? "event: alert\n" : "";
  return `${kind}id: ${event.index}\ndata: ${JSON.stringify({ ...event, actor })}\n\n`;
}

/** The head of a stream: where it begins, so that a reader who loses it at once misses nothing. */
export const headFrame = (next: number): string => `retry: ${RETRY_MS}\nid: ${next - 1}\n\n`;

/**
 * Keeps the connection alive, and tells how far the log was looked through: an id without data
 * reaches no listener of an EventSource, and yet is its Last-Event-ID (WHATWG HTML, 9.2.6).
 */
export const heartbeatFrame = (next: number): string => `: heartbeat\nid: ${next - 1}\n\n`;
