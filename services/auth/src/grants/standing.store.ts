import type { Db } from "@medvault/postgres";
import { type AccountSeals, FIELDS, type Row, toAccount } from "../accounts/account.store.ts";
import type { Account } from "../accounts/account.ts";
import type { Familiar, Place } from "../lockout/bucket.ts";
import { type FamiliarRow, familiarColumns, familiarOf, familiarValues } from "../lockout/lockout.store.ts";
import type { RolePermissions } from "../roles/role.store.ts";

/** All that the gate and what is issued behind it need to know. */
export interface FoundStanding {
  /** The account as it was read with the rest. Throws where its row does not open. */
  account(): Account;
  role: RolePermissions;
  familiar: Familiar;
  /** Until when the bucket that a guess from this place would be counted in is locked. */
  lockedUntil: Date | null;
  /** Ids of the account's sessions that have not ended, oldest first. */
  live: { full: string[]; enrollment: string[] };
  /** The account's wrapped subject key. */
  subjectKey: Buffer;
}

type StandingRow = Row &
  FamiliarRow & {
    role: RolePermissions["role"];
    version: number;
    permissions: string[];
    locked_until: Date | null;
    live_full: string[];
    live_enrollment: string[];
  };

/**
 * One statement; null for an account that is gone. A sign-in locks the account before: of two at
 * once the second then sees the first one's session.
 */
export async function findStanding(
  db: Db,
  seals: AccountSeals,
  userId: string,
  place: Place,
  now: Date,
): Promise<FoundStanding | null> {
  const { rows } = await db.query<StandingRow>(
    `with familiar as materialized (
       select ${familiarColumns("$1", 2)})
     select ${FIELDS}, r.version, f.device, f.address, f.signed_in,
            array(select p.permission from role_permissions p where p.role = r.role order by 1) as permissions,
            (select l.locked_until from login_lanes l
              where l.lane = case when f.device then $5::bytea
                                  when $6::text = 'address' or ($6::text = 'both' and f.address) then $7::bytea
                                  else $8::bytea end
                and l.locked_until > $9) as locked_until,
            array(select s.id from sessions s where s.user_id = $1 and s.ended_at is null and s.kind = 'full'
                   order by s.id) as live_full,
            array(select s.id from sessions s where s.user_id = $1 and s.ended_at is null and s.kind = 'enrollment'
                   order by s.id) as live_enrollment
       from familiar f, users u join roles r on r.role = u.role join subject_keys k on k.subject_id = u.id
      where u.id = $1`,
    [
      userId,
      ...familiarValues(place),
      place.buckets.device,
      place.by,
      place.buckets.address,
      place.buckets.account,
      now,
    ],
  );
  const row = rows[0];
  if (!row) return null;
  return {
    account: () => toAccount(seals.keyring, row),
    role: { role: row.role, version: row.version, permissions: row.permissions },
    familiar: familiarOf(row),
    lockedUntil: row.locked_until,
    live: { full: row.live_full, enrollment: row.live_enrollment },
    subjectKey: row.subject_key,
  };
}
