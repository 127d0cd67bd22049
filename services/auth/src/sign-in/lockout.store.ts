import type { Db } from "@medvault/postgres";
import { LOCKOUT } from "./lockout.ts";

/** Microseconds since 1970 with a random tail: an attempt's place in its lane, practically never twice the same. */
export function attemptStamp(now: Date): number {
  return now.getTime() * 1000 + Math.floor(Math.random() * 1000);
}

/**
 * Reserves one attempt in a lane before anything is evaluated, so that of any number at once no more than
 * `failuresMax` are. One statement; the row's lock decides. False: locked, or as many are under way already.
 */
export async function reserveAttempt(
  db: Db,
  lane: { lane: Buffer; account: Buffer },
  stamp: number,
  now: Date,
): Promise<boolean> {
  const windowStart = (now.getTime() - LOCKOUT.windowMs) * 1000;
  const { rowCount } = await db.query(
    `insert into login_lanes as l (lane, account, attempts, failures) values ($1, $2, array[$3::bigint], '{}')
     on conflict (lane) do update
       set attempts = array(select a from unnest(l.attempts) a where a > $4) || $3::bigint,
           failures = array(select f from unnest(l.failures) f where f > $4),
           locked_until = null
     where (l.locked_until is null or l.locked_until <= $5)
       and (select count(*) from unnest(l.attempts) a where a > $4) < $6`,
    [lane.lane, lane.account, stamp, windowStart, now, LOCKOUT.failuresMax],
  );
  return rowCount === 1;
}

/** Takes a reservation back: it was evaluated and was no wrong guess. */
export async function releaseAttempt(db: Db, lane: Buffer, stamp: number): Promise<void> {
  await db.query(`update login_lanes set attempts = array_remove(attempts, $2::bigint) where lane = $1`, [
    lane,
    stamp,
  ]);
}

/** Makes a reservation a failure; true when it is the one that locks the lane. */
export async function failAttempt(db: Db, lane: Buffer, stamp: number, now: Date): Promise<boolean> {
  const windowStart = (now.getTime() - LOCKOUT.windowMs) * 1000;
  const { rows } = await db.query<{ locked: boolean }>(
    `update login_lanes as l
        set failures = l.failures || $2::bigint,
            locked_until = case
              when l.locked_until is null
                   and (select count(*) from unnest(l.failures) f where f > $3) + 1 >= $4 then $5::timestamptz
              else l.locked_until end
      where lane = $1
      returning l.locked_until = $5::timestamptz as locked`,
    [lane, stamp, windowStart, LOCKOUT.failuresMax, new Date(now.getTime() + LOCKOUT.lockMs)],
  );
  return rows[0]?.locked === true;
}

/** Until when a lane takes no attempt: its lock, or the end of the window of what is under way. */
export async function blockedUntil(db: Db, lane: Buffer): Promise<Date | null> {
  const { rows } = await db.query<{ until: Date | null }>(
    `select coalesce(locked_until,
                     to_timestamp((select min(a) from unnest(attempts) a)::float8 / 1000000) + $2::int * interval '1 ms')
              as until
       from login_lanes where lane = $1`,
    [lane, LOCKOUT.windowMs],
  );
  return rows[0]?.until ?? null;
}

/** Until when a lane is locked by failures, or null. */
export async function laneLock(db: Db, lane: Buffer, now: Date): Promise<Date | null> {
  const { rows } = await db.query<{ locked_until: Date }>(
    `select locked_until from login_lanes where lane = $1 and locked_until > $2`,
    [lane, now],
  );
  return rows[0]?.locked_until ?? null;
}

/** A success: the lane's count begins anew. */
export async function clearLane(db: Db, lane: Buffer): Promise<void> {
  await db.query(`delete from login_lanes where lane = $1`, [lane]);
}

/** Lifts every lane of an account; says how many were locked. */
export async function clearAccount(db: Db, account: Buffer, now: Date): Promise<number> {
  const { rows } = await db.query<{ locked: boolean | null }>(
    `delete from login_lanes where account = $1 returning locked_until > $2 as locked`,
    [account, now],
  );
  return rows.filter((row) => row.locked === true).length;
}

/** Whether the account signed in from this address since `since`. */
export async function isKnownAddress(
  db: Db,
  userId: string,
  addressToken: Buffer,
  since: Date,
): Promise<boolean> {
  const { rows } = await db.query(
    `select from known_addresses where user_id = $1 and address_token = $2 and last_success_at > $3`,
    [userId, addressToken, since],
  );
  return rows.length > 0;
}

/** Remembers an address that the account signed in from. */
export async function rememberAddress(
  db: Db,
  userId: string,
  addressToken: Buffer,
  now: Date,
): Promise<void> {
  await db.query(
    `insert into known_addresses (user_id, address_token, last_success_at) values ($1, $2, $3)
     on conflict (user_id, address_token) do update set last_success_at = excluded.last_success_at`,
    [userId, addressToken, now],
  );
}

/** Deletes what has no meaning any more: lanes without a lock or a recent attempt, addresses not seen for long. */
export async function deleteStale(db: Db, now: Date, knownSince: Date): Promise<void> {
  const windowStart = (now.getTime() - LOCKOUT.windowMs) * 1000;
  await db.query(
    `delete from login_lanes
      where (locked_until is null or locked_until <= $1) and not exists (select from unnest(attempts) a where a > $2)`,
    [now, windowStart],
  );
  await db.query(`delete from known_addresses where last_success_at <= $1`, [knownSince]);
}
