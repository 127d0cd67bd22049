import type { Db } from "@medvault/postgres";
import type { Place } from "./bucket.ts";

/** Whether an account signed in before: from this device (not revoked), this address, at all. */
export interface Familiar {
  device: boolean;
  address: boolean;
  signedIn: boolean;
}

/** The newest stay: a client that never shows its token must not fill the table. */
const DEVICES_MAX = 20;

/** Whether the account signed in from here before. Nobody's has not. */
export async function findFamiliar(db: Db, userId: string, place: Place): Promise<Familiar> {
  const { rows } = await db.query<{ device: boolean; address: boolean; signed_in: boolean }>(
    `select exists (select from known_devices
                     where user_id = $1 and device_id = $2 and last_success_at > $4) as device,
            exists (select from known_addresses
                     where user_id = $1 and address_token = $3 and last_success_at > $4) as address,
            exists (select from known_devices where user_id = $1)
              or exists (select from known_addresses where user_id = $1) as signed_in`,
    [userId, place.device, place.address, place.knownSince],
  );
  const [row] = rows;
  return { device: row?.device ?? false, address: row?.address ?? false, signedIn: row?.signed_in ?? false };
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
 * device; over twenty the one not seen for longest goes. One statement.
 */
export async function saveSuccess(
  db: Db,
  { userId, bucket, address, device }: Success,
  now: Date,
): Promise<void> {
  await db.query(
    `with cleared as (
       delete from login_lanes where lane = $1
     ), place as (
       insert into known_addresses (user_id, address_token, last_success_at) values ($2, $3, $4)
       on conflict (user_id, address_token) do update set last_success_at = excluded.last_success_at
     ), seen as (
       update known_devices set last_success_at = $4 where user_id = $2 and device_id = $5 and not $6::boolean
     ), added as (
       insert into known_devices (user_id, device_id, created_at, last_success_at)
       select $2, $5, $4, $4 where $6::boolean
     )
     delete from known_devices
      where $6::boolean and user_id = $2 and device_id in
        (select device_id from known_devices where user_id = $2
          order by last_success_at desc, device_id offset $7)`,
    [bucket, userId, address, now, device?.id ?? null, device?.isNew ?? false, DEVICES_MAX - 1],
  );
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
