import type { AccountRole } from "@medvault/contracts";
import type { Tx } from "@medvault/postgres";
import type { Place } from "../lockout/bucket.ts";
import type { Familiar } from "../lockout/lockout.store.ts";
import type { RolePermissions } from "../roles/role.store.ts";

/** All that the gate and what is issued behind it need to know. */
export interface FoundStanding {
  role: RolePermissions;
  familiar: Familiar;
  /** Until when the bucket that a guess from this place would be counted in is locked. */
  lockedUntil: Date | null;
  /** Ids of the account's sessions that have not ended, oldest first. */
  live: { full: string[]; enrollment: string[] };
  /** The account's wrapped subject key. */
  subjectKey: Buffer;
}

/** One statement, after the account was locked. Throws for a role that no migration has seeded. */
export async function findStanding(
  tx: Tx,
  account: { id: string; role: AccountRole },
  place: Place,
  now: Date,
): Promise<FoundStanding> {
  const { rows } = await tx.query<{
    role: RolePermissions["role"];
    version: number;
    permissions: string[];
    device: boolean;
    address: boolean;
    signed_in: boolean;
    locked_until: Date | null;
    live_full: string[];
    live_enrollment: string[];
    subject_key: Buffer;
  }>(
    `with familiar as materialized (
       select exists (select from known_devices
                       where user_id = $1 and device_id = $3 and last_success_at > $5) as device,
              exists (select from known_addresses
                       where user_id = $1 and address_token = $4 and last_success_at > $5) as address,
              exists (select from known_devices where user_id = $1)
                or exists (select from known_addresses where user_id = $1) as signed_in)
     select r.role, r.version, f.device, f.address, f.signed_in, k.wrapped as subject_key,
            array(select p.permission from role_permissions p where p.role = r.role order by 1) as permissions,
            (select l.locked_until from login_lanes l
              where l.lane = case when f.device then $6::bytea
                                  when $7::text = 'address' or ($7::text = 'both' and f.address) then $8::bytea
                                  else $9::bytea end
                and l.locked_until > $10) as locked_until,
            array(select s.id from sessions s where s.user_id = $1 and s.ended_at is null and s.kind = 'full'
                   order by s.id) as live_full,
            array(select s.id from sessions s where s.user_id = $1 and s.ended_at is null and s.kind = 'enrollment'
                   order by s.id) as live_enrollment
       from familiar f, roles r, subject_keys k
      where r.role = $2 and k.subject_id = $1`,
    [
      account.id,
      account.role,
      place.device,
      place.address,
      place.knownSince,
      place.buckets.device,
      place.by,
      place.buckets.address,
      place.buckets.account,
      now,
    ],
  );
  const row = rows[0];
  if (!row) throw new Error("a role that no migration has seeded, or an account without its key");
  return {
    role: { role: row.role, version: row.version, permissions: row.permissions },
    familiar: { device: row.device, address: row.address, signedIn: row.signed_in },
    lockedUntil: row.locked_until,
    live: { full: row.live_full, enrollment: row.live_enrollment },
    subjectKey: row.subject_key,
  };
}
