import type { Db, Tx } from "@medvault/postgres";

/** A link to somebody's calendar. Its token is kept nowhere, only its hash. */
export interface CalendarFeed {
  id: string;
  userId: string;
  createdAt: Date;
  lastUsedAt: Date | null;
}

const FEED = `id, user_id as "userId", created_at as "createdAt", last_used_at as "lastUsedAt"`;

/** Of one user, the newest first. */
export async function listFeeds(db: Db, userId: string): Promise<CalendarFeed[]> {
  const { rows } = await db.query<CalendarFeed>(
    `select ${FEED} from calendar_feeds where user_id = $1 order by id desc`,
    [userId],
  );
  return rows;
}

/** Stores a link. False where the user has `most` already. */
export async function insertFeed(tx: Tx, feed: CalendarFeed, hash: Buffer, most: number): Promise<boolean> {
  await tx.query(
    "select pg_advisory_xact_lock(hashtextextended('medvault.calendar_feeds/' || $1::text, 0))",
    [feed.userId],
  );
  const { rowCount } = await tx.query(
    `insert into calendar_feeds (id, user_id, hash, created_at)
     select $1, $2, $3, $4 where (select count(*) from calendar_feeds where user_id = $2) < $5`,
    [feed.id, feed.userId, hash, feed.createdAt, most],
  );
  return rowCount === 1;
}

/** Deletes a link of this user. False where they have none of this id. */
export async function deleteFeed(tx: Tx, userId: string, id: string): Promise<boolean> {
  const { rowCount } = await tx.query("delete from calendar_feeds where id = $1 and user_id = $2", [
    id,
    userId,
  ]);
  return rowCount === 1;
}

/** The link with this hash, now noted as used; null where there is none. */
export async function useFeed(db: Db, hash: Buffer, now: Date): Promise<CalendarFeed | null> {
  const { rows } = await db.query<CalendarFeed>(
    `update calendar_feeds set last_used_at = $2 where hash = $1 returning ${FEED}`,
    [hash, now],
  );
  return rows[0] ?? null;
}

/** Of a user who is gone. */
export async function deleteFeedsOf(tx: Tx, userId: string): Promise<void> {
  await tx.query("delete from calendar_feeds where user_id = $1", [userId]);
}
