import { auditEvent } from "@medvault/contracts";
import { inTransaction } from "@medvault/postgres";
import type pg from "pg";
import { toOutboxEvent } from "./envelope.ts";
import { insertEvents } from "./outbox.store.ts";
import { type Lease, takeHeartbeat } from "./relay.store.ts";

export const heartbeatType = (source: string): string => `medvault.${source}.producer.heartbeat.v1`;

/** Emits the event that tells epoch and last number, if it is due. */
export async function emitHeartbeat(
  pool: pg.Pool,
  source: string,
  lease: Lease,
  everyMs: number,
): Promise<boolean> {
  return inTransaction(pool, async (tx) => {
    const beat = await takeHeartbeat(tx, lease, everyMs);
    if (beat === null) return false;
    const event = auditEvent(null, {
      type: heartbeatType(source),
      subject: `producer/${source}`,
      action: "producer:heartbeat",
      reason: "scheduled",
      details: { epoch: beat.epoch, lastSeq: beat.lastSeq },
    });
    await insertEvents(tx, [toOutboxEvent(source, event)]);
    return true;
  });
}
