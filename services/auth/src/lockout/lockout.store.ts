import type { Db } from "@medvault/postgres";
import type { Bucket, Familiar, Place, Whence } from "./bucket.ts";
import { type Limit, LOCK_MAX_MS, REMEMBER_LOCK_MS } from "./lockout.ts";

// The table is called login_lanes from before buckets had their name.

/** Microseconds since 1970 with a random tail: an attempt's place in its bucket. */
export function attemptStamp(now: Date): number {
  return now.getTime() * 1000 + Math.floor(Math.random() * 1000);
}

/**
 * Reserves one attempt in a bucket before anything is evaluated, so that of any number at once no
 * more than `max` are. One statement; the row's lock decides. False: locked, or as many are under
 * way already.
 */
export async function reserveAttempt(
  db: Db,
  at: Bucket,
  stamp: number,
  limit: Limit,
  now: Date,
): Promise<boolean> {
  const { rowCount } = await db.query(
    `insert into login_lanes as l (lane, account, attempts, failures, forget_at)
     values ($1, $2, array[$3::bigint], '{}', $7)
     on conflict (lane) do update
       set attempts = array(select a from unnest(l.attempts) a where a > $4) || $3::bigint,
           failures = array(select f from unnest(l.failures) f where f > $4),
           forget_at = greatest(l.forget_at, $7)
     where (l.locked_until is null or l.locked_until <= $5)
       and (select count(*) from unnest(l.attempts) a where a > $4) < $6`,
    [at.bucket, at.account, stamp, windowStart(limit, now), now, limit.max, after(now, limit.windowMs)],
  );
  return rowCount === 1;
}

/** Takes a reservation back: it was evaluated and was no wrong guess. */
export async function releaseAttempt(db: Db, bucket: Buffer, stamp: number): Promise<void> {
  await db.query(`update login_lanes set attempts = array_remove(attempts, $2::bigint) where lane = $1`, [
    bucket,
    stamp,
  ]);
}

/**
 * Makes a reservation a failure, also where a success cleared its bucket while it was under way.
 * Until when the bucket is locked if it is this one that locks it, else null. A lock takes the
 * place of what it counted; the next one lasts `growth` times as long.
 */
export async function failAttempt(
  db: Db,
  at: Bucket,
  stamp: number,
  limit: Limit,
  now: Date,
): Promise<Date | null> {
  const locked = await markFailed(db, at.bucket, stamp, limit, now);
  return locked === undefined ? countFailure(db, at, limit, now) : locked;
}

/** Undefined where there is no such bucket. */
async function markFailed(
  db: Db,
  bucket: Buffer,
  stamp: number,
  limit: Limit,
  now: Date,
): Promise<Date | null | undefined> {
  const { rows } = await db.query<{ locks_now: boolean; locked_until: Date }>(
    `with held as (
       select lane, locks,
              (locked_until is null or locked_until <= $5)
                and (select count(*) from unnest(failures) f where f > $3) + 1 >= $4 as locks_now
         from login_lanes where lane = $1 for update)
     update login_lanes as l
        set failures = case when held.locks_now then '{}' else l.failures || $2::bigint end,
            attempts = case when held.locks_now then '{}' else l.attempts end,
            locks = case when held.locks_now then least(held.locks + 1, 64) else held.locks end,
            locked_until = case when held.locks_now
              then $5::timestamptz
                   + least($8::float8, $6::float8 * power($7::float8, held.locks)) * interval '1 ms'
              else l.locked_until end,
            forget_at = case when held.locks_now
              then $5::timestamptz
                   + (least($8::float8, $6::float8 * power($7::float8, held.locks)) + $9) * interval '1 ms'
              else l.forget_at end
       from held where l.lane = held.lane
      returning held.locks_now, l.locked_until`,
    [
      bucket,
      stamp,
      windowStart(limit, now),
      limit.max,
      now,
      limit.lockMs,
      limit.growth,
      LOCK_MAX_MS,
      REMEMBER_LOCK_MS,
    ],
  );
  const [row] = rows;
  return row && (row.locks_now ? row.locked_until : null);
}

/**
 * Counts a failure that nothing was reserved for, where a cap on what runs at once would refuse the
 * honest. Until when the bucket is locked if it is this one that locks it, else null.
 */
export async function countFailure(db: Db, at: Bucket, limit: Limit, now: Date): Promise<Date | null> {
  const stamp = attemptStamp(now);
  await db.query(
    `insert into login_lanes (lane, account, attempts, failures, forget_at) values ($1, $2, '{}', '{}', $3)
     on conflict (lane) do update set forget_at = greatest(login_lanes.forget_at, excluded.forget_at)`,
    [at.bucket, at.account, after(now, limit.windowMs)],
  );
  return (await markFailed(db, at.bucket, stamp, limit, now)) ?? null;
}

/** Until when a bucket is locked by failures, or null. */
export async function bucketLock(db: Db, bucket: Buffer, now: Date): Promise<Date | null> {
  const { rows } = await db.query<{ locked_until: Date }>(
    `select locked_until from login_lanes where lane = $1 and locked_until > $2`,
    [bucket, now],
  );
  return rows[0]?.locked_until ?? null;
}

/** Lifts every bucket of an account; says which there were, and how many of them were locked. */
export async function clearBucketsOf(
  db: Db,
  account: Buffer,
  now: Date,
): Promise<{ buckets: Buffer[]; locked: number }> {
  const { rows } = await db.query<{ lane: Buffer; locked: boolean | null }>(
    `delete from login_lanes where account = $1 returning lane, locked_until > $2 as locked`,
    [account, now],
  );
  return { buckets: rows.map((row) => row.lane), locked: rows.filter((row) => row.locked === true).length };
}

/** Deletes buckets that have no meaning any more. */
export async function deleteStaleBuckets(db: Db, now: Date): Promise<void> {
  await db.query(`delete from login_lanes where forget_at <= $1`, [now]);
}

function windowStart(limit: Limit, now: Date): number {
  return (now.getTime() - limit.windowMs) * 1000;
}

function after(now: Date, ms: number): Date {
  return new Date(now.getTime() + ms);
}

/** The newest stay: a client that never shows its token must not fill the table. */
const DEVICES_MAX = 20;

/** The columns of `familiarOf` for `user`, an expression; parameters from `$first` on. */
export function familiarColumns(user: string, first: number): string {
  const [device, address, since] = [first, first + 1, first + 2].map((n) => `$${n}`);
  return `exists (select from known_devices
                     where user_id = ${user} and device_id = ${device} and last_success_at > ${since}) as device,
            exists (select from known_addresses
                     where user_id = ${user} and address_token = ${address} and last_success_at > ${since}) as address,
            exists (select from known_devices where user_id = ${user})
              or exists (select from known_addresses where user_id = ${user}) as signed_in`;
}

/** The parameters of `familiarColumns`. */
export function familiarValues({ device, address, knownSince }: Whence): unknown[] {
  return [device, address, knownSince];
}

export interface FamiliarRow {
  device: boolean;
  address: boolean;
  signed_in: boolean;
}

export function familiarOf(row: FamiliarRow): Familiar {
  return { device: row.device, address: row.address, signedIn: row.signed_in };
}

/** Whether the account signed in from here before. */
export async function findFamiliar(db: Db, userId: string, place: Place): Promise<Familiar> {
  const { rows } = await db.query<FamiliarRow>(`select ${familiarColumns("$1", 2)}`, [
    userId,
    ...familiarValues(place),
  ]);
  return familiarOf(rows[0] as FamiliarRow);
}

/** What a success leaves. */
export interface Success {
  userId: string;
  /** The bucket whose count begins again; null: none was counted in. */
  bucket: Buffer | null;
  /** The blind name of where it came from. */
  address: Buffer;
  /** The device that signed in; a known one that was revoked meanwhile does not come back. */
  device: { id: Buffer; isNew: boolean } | null;
}

/**
 * A success: the bucket's count begins again, the address is known from now on, and so is the
 * device; over twenty the one not seen for longest goes. Common table expressions for the statement
 * of a sign-in; parameters from `$first` on.
 */
export function successCtes(first: number): string {
  const [bucket, user, address, now, device, isNew, most] = Array.from(
    { length: 7 },
    (_, i) => `$${first + i}`,
  );
  return `cleared as (
       delete from login_lanes where lane = ${bucket}::bytea
     ), place as (
       insert into known_addresses (user_id, address_token, last_success_at)
       values (${user}::uuid, ${address}::bytea, ${now}::timestamptz)
       on conflict (user_id, address_token) do update set last_success_at = excluded.last_success_at
     ), seen as (
       update known_devices set last_success_at = ${now}::timestamptz
        where user_id = ${user}::uuid and device_id = ${device}::bytea and not ${isNew}::boolean
     ), added as (
       insert into known_devices (user_id, device_id, created_at, last_success_at)
       select ${user}::uuid, ${device}::bytea, ${now}::timestamptz, ${now}::timestamptz where ${isNew}::boolean
     ), surplus as (
       delete from known_devices
        where ${isNew}::boolean and user_id = ${user}::uuid and device_id in
          (select device_id from known_devices where user_id = ${user}::uuid
            order by last_success_at desc, device_id offset ${most}::int))`;
}

/** The parameters of `successCtes`. */
export function successValues({ userId, bucket, address, device }: Success, now: Date): unknown[] {
  return [bucket, userId, address, now, device?.id ?? null, device?.isNew ?? false, DEVICES_MAX - 1];
}

/** The same in a statement of its own. */
export async function saveSuccess(db: Db, success: Success, now: Date): Promise<void> {
  await db.query(`with ${successCtes(1)} select`, successValues(success, now));
}

/** Revokes the devices of an account but one. */
export async function forgetDevices(db: Db, userId: string, except: Buffer | null): Promise<void> {
  await db.query(`delete from known_devices where user_id = $1 and device_id is distinct from $2`, [
    userId,
    except,
  ]);
}

/** Deletes what was not seen since `since`. */
export async function deleteUnseenDevices(db: Db, since: Date): Promise<void> {
  await db.query(`delete from known_devices where last_success_at <= $1`, [since]);
  await db.query(`delete from known_addresses where last_success_at <= $1`, [since]);
}

/** How many buckets are locked, counted up to 10,000. */
export async function countLocked(db: Db, now: Date): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    "select count(*) as count from (select from login_lanes where locked_until > $1 limit 10000) locked",
    [now],
  );
  return rows[0]?.count ?? 0;
}
