import type { Db } from "@medvault/postgres";

/** The newest stay: a client that never shows its token must not fill the table. */
const DEVICES_MAX = 20;

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

/** Whether the account signed in from this device since `since`, and nobody has revoked it. */
export async function isKnownDevice(db: Db, userId: string, deviceId: Buffer, since: Date): Promise<boolean> {
  const { rows } = await db.query(
    `select from known_devices where user_id = $1 and device_id = $2 and last_success_at > $3`,
    [userId, deviceId, since],
  );
  return rows.length > 0;
}

/** Whether the account has signed in before, from wherever. */
export async function hasSignedIn(db: Db, userId: string): Promise<boolean> {
  const { rows } = await db.query(
    `select from known_devices where user_id = $1 union all select from known_addresses where user_id = $1 limit 1`,
    [userId],
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

/** Remembers a device that the account signed in from; over twenty the one not seen for longest goes. */
export async function rememberDevice(db: Db, userId: string, deviceId: Buffer, now: Date): Promise<void> {
  await db.query(
    `insert into known_devices (user_id, device_id, created_at, last_success_at) values ($1, $2, $3, $3)
     on conflict (user_id, device_id) do update set last_success_at = excluded.last_success_at`,
    [userId, deviceId, now],
  );
  await db.query(
    `delete from known_devices where user_id = $1 and device_id in
       (select device_id from known_devices where user_id = $1 and device_id <> $2
         order by last_success_at desc, device_id offset $3)`,
    [userId, deviceId, DEVICES_MAX - 1],
  );
}

/** Revokes the devices of an account but one. */
export async function forgetDevices(db: Db, userId: string, except: Buffer | null): Promise<void> {
  await db.query(`delete from known_devices where user_id = $1 and device_id is distinct from $2`, [
    userId,
    except,
  ]);
}

/** Forgets everywhere that the account signed in from, for an account that is deleted. */
export async function forgetEverywhere(db: Db, userId: string): Promise<void> {
  await db.query(`delete from known_devices where user_id = $1`, [userId]);
  await db.query(`delete from known_addresses where user_id = $1`, [userId]);
}

/** Deletes what was not seen since `since`. */
export async function deleteUnseen(db: Db, since: Date): Promise<void> {
  await db.query(`delete from known_devices where last_success_at <= $1`, [since]);
  await db.query(`delete from known_addresses where last_success_at <= $1`, [since]);
}
