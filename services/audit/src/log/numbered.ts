import type { CloudEvent } from "@medvault/contracts";
import type { Columns } from "./entry.ts";
import type { Numbered } from "./sequence.store.ts";

const HEARTBEAT_TYPE = /^medvault\.[a-z]+\.producer\.heartbeat\.v1$/;

/** What an event counts for in completeness; null where it has no number. */
export function numberedOf(event: CloudEvent, columns: Columns): Numbered | null {
  const { producer, epoch, seq, occurredAt } = columns;
  if (epoch === null || seq === null) return null;
  const lastSeq = HEARTBEAT_TYPE.test(event.type) ? event.data.details?.lastSeq : undefined;
  const heartbeatSeq = typeof lastSeq === "number" && Number.isSafeInteger(lastSeq) ? lastSeq : null;
  return { producer, epoch, seq, occurredAt, heartbeatSeq };
}
