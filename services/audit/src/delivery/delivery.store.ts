import type { Db, Tx } from "@medvault/postgres";
import type { AlertNotice, Change, ChannelName, Delivery } from "./delivery.ts";

/** A delivery in line. */
export interface WaitingDelivery extends Delivery {
  readonly alertId: string;
  readonly channel: string;
  /** How often it was tried, this time included. */
  readonly attempts: number;
  /** Why the last try failed; null: there was none. */
  readonly reason: string | null;
}

const WAITING = "sent_at is null and given_up_at is null";
const COLUMNS = `id, alert_id as "alertId", change, channel, notice, created_at as "createdAt", attempts, reason`;

/** Puts a change of an alert in line, once for each channel. */
export async function insertDeliveries(
  tx: Tx,
  change: { kind: Change; rev: number; notice: AlertNotice },
  channels: readonly { id: string; name: ChannelName }[],
  now: Date,
): Promise<void> {
  await tx.query(
    `insert into alert_deliveries (id, alert_id, rev, change, channel, notice, created_at, next_at)
     select id, $3, $4, $5, channel, $6, $7, $7 from unnest($1::uuid[], $2::text[]) as c (id, channel)
     on conflict (alert_id, rev, channel) do nothing`,
    [
      channels.map(({ id }) => id),
      channels.map(({ name }) => name),
      ...[change.notice.id, change.rev, change.kind, change.notice, now],
    ],
  );
}

/** Takes the next due delivery of a channel for `leaseMs`; after that another may take it. */
export async function claimDelivery(
  db: Db,
  channel: ChannelName,
  leaseMs: number,
  now: Date,
): Promise<WaitingDelivery | null> {
  const { rows } = await db.query<WaitingDelivery>(
    `update alert_deliveries set attempts = attempts + 1, next_at = $3
      where id = (select id from alert_deliveries where channel = $1 and next_at <= $2 and ${WAITING}
                   order by next_at, id limit 1 for update skip locked)
      returning ${COLUMNS}`,
    [channel, now, new Date(now.getTime() + leaseMs)],
  );
  return rows[0] ?? null;
}

export async function markSent(db: Db, id: string, now: Date): Promise<void> {
  await db.query(`update alert_deliveries set sent_at = $2, reason = null where id = $1`, [id, now]);
}

/** It is tried again, not before `at`. */
export async function postponeDelivery(db: Db, id: string, at: Date, reason: string): Promise<void> {
  await db.query(`update alert_deliveries set next_at = $2, reason = $3 where id = $1 and ${WAITING}`, [
    id,
    at,
    reason,
  ]);
}

/** False: it was sent, or given up by another. */
export async function markGivenUp(tx: Tx, id: string, now: Date, reason: string): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update alert_deliveries set given_up_at = $2, reason = $3 where id = $1 and ${WAITING}`,
    [id, now, reason],
  );
  return rowCount === 1;
}

/** What nobody has tried since `untriedSince`, though it was due: of a channel that is no more. */
export async function findForsaken(db: Db, untriedSince: Date, limit: number): Promise<WaitingDelivery[]> {
  const { rows } = await db.query<WaitingDelivery>(
    `select ${COLUMNS} from alert_deliveries where next_at <= $1 and ${WAITING} order by next_at limit $2`,
    [untriedSince, limit],
  );
  return rows;
}

/** Deletes what was sent or given up, of before `before`. */
export async function deleteDone(db: Db, before: Date): Promise<void> {
  await db.query(`delete from alert_deliveries where created_at <= $1 and not (${WAITING})`, [before]);
}

/** By channel, how many wait and how many were given up, each counted up to 10,000. */
export async function countDeliveries(
  db: Db,
): Promise<{ channel: string; waiting: number; givenUp: number }[]> {
  const { rows } = await db.query<{ channel: string; waiting: number; givenUp: number }>(
    `select c.channel,
            (select count(*)::int from (select from alert_deliveries d where d.channel = c.channel and ${WAITING} limit 10000) w) as waiting,
            (select count(*)::int from (select from alert_deliveries d where d.channel = c.channel and given_up_at is not null limit 10000) g) as "givenUp"
       from unnest(array['webhook', 'syslog']) as c (channel)`,
  );
  return rows;
}
