import { auditEvent } from "@medvault/contracts";
import { type Db, inTransaction } from "@medvault/postgres";
import type pg from "pg";
import { emit } from "./emit.ts";
import type { IncomingMessage } from "./incoming.ts";

export interface ParkedMessage {
  id: string;
  consumer: string;
  reason: string;
  parkedAt: Date;
  attempts: number;
  /** Set while a re-drive is asked for and not yet done. */
  redriveAt: Date | null;
  userId: string | null;
  routingKey: string;
  bytes: number;
}

/** The parked messages of a service, oldest first, at most 1,000; without their bodies. */
export async function listParked(db: Db): Promise<ParkedMessage[]> {
  const { rows } = await db.query<ParkedMessage>(
    `select id, consumer, reason, parked_at as "parkedAt", attempts, redrive_at as "redriveAt",
            user_id as "userId", routing_key as "routingKey", octet_length(body) as bytes
       from parked order by parked_at, id limit 1000`,
  );
  return rows;
}

/** How many messages are parked; counted up to 1,000. */
export async function countParked(db: Db): Promise<number> {
  const { rows } = await db.query<{ n: number }>(
    "select count(*)::int as n from (select from parked limit 1000) counted",
  );
  return rows[0]?.n ?? 0;
}

/**
 * Takes a parked message from the list for good, and says so in an event of `source`; what it said
 * is lost. False if there is none.
 */
export async function dismissParked(pool: pg.Pool, source: string, id: string): Promise<boolean> {
  return inTransaction(pool, async (tx) => {
    const { rows } = await tx.query<{ consumer: string; reason: string }>(
      "delete from parked where id = $1 returning consumer, reason",
      [id],
    );
    if (rows[0] === undefined) return false;
    const { consumer, reason } = rows[0];
    const event = auditEvent(null, {
      type: `medvault.${source}.parked.dismissed.v1`,
      subject: `parked/${id}`,
      action: "parked:dismiss",
      details: { consumer, why: reason },
    });
    await emit(tx, source, event);
    return true;
  });
}

/**
 * Asks the running consumer to take a parked message again, within some 5 s, with all checks. It
 * leaves the list when it takes effect, else stays with its new reason. False if there is none.
 */
export async function redriveParked(db: Db, id: string): Promise<boolean> {
  const { rowCount } = await db.query("update parked set redrive_at = now() where id = $1", [id]);
  return rowCount === 1;
}

/** Whether a message waits to be taken again. */
export async function isRedriveAsked(db: Db, consumer: string): Promise<boolean> {
  const { rowCount } = await db.query(
    "select from parked where consumer = $1 and redrive_at is not null limit 1",
    [consumer],
  );
  return rowCount === 1;
}

/** The next message to be taken again, locked until the transaction ends. */
export async function nextRedrive(
  db: Db,
  consumer: string,
): Promise<(IncomingMessage & { id: string }) | null> {
  const { rows } = await db.query<IncomingMessage & { id: string }>(
    `select id, user_id as "userId", content_type as "contentType", routing_key as "routingKey", body
       from parked where consumer = $1 and redrive_at is not null
      order by redrive_at limit 1 for update skip locked`,
    [consumer],
  );
  return rows[0] ?? null;
}

export async function unpark(db: Db, id: string): Promise<void> {
  await db.query("delete from parked where id = $1", [id]);
}

export async function parkAgain(db: Db, id: string, reason: string): Promise<void> {
  await db.query("update parked set redrive_at = null, reason = $2, attempts = attempts + 1 where id = $1", [
    id,
    reason,
  ]);
}
