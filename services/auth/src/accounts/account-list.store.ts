import type { AccountRole } from "@medvault/contracts";
import type { Keyring } from "@medvault/keys";
import type { Db } from "@medvault/postgres";
import { type AccountSeals, accountOf, FIELDS, type Row } from "./account.store.ts";
import { sealedUsers } from "./account.table.ts";
import type { Account, AccountFilter, DamagedAccount } from "./account.ts";

// Of each row by itself: Postgres may think that all keys are read as soon.
const KEY = "cross join lateral (select s.wrapped from subject_keys s where s.subject_id = u.id offset 0) k";

/** Accounts, newest first. */
export async function listAccounts(
  db: Db,
  seals: AccountSeals,
  filter: AccountFilter,
): Promise<(Account | DamagedAccount)[]> {
  const { rows } = await db.query<Row>(
    `select ${FIELDS} from (
            select * from users a
             where ($1::text is null or a.role = $1) and ($2::boolean is null or a.disabled = $2)
               and ($3::uuid is null or a.id < $3)
             order by a.id desc limit $4) u
       ${KEY}
      order by u.id desc`,
    [filter.role, filter.disabled, filter.before, filter.limit],
  );
  return rows.map((row) => opened(seals.keyring, row));
}

/** Which of those who work here: all, or of these ids alone. */
export interface StaffFilter {
  roles: readonly AccountRole[];
  ids: readonly string[] | null;
  /** Ids below this one. */
  before: string | null;
  limit: number;
}

/** Active accounts of these roles, newest first; never a patient's. */
export async function listStaff(
  db: Db,
  seals: AccountSeals,
  { roles, ids, before, limit }: StaffFilter,
): Promise<(Account | DamagedAccount)[]> {
  const { rows } = await db.query<Row>(
    `select ${FIELDS} from unnest($1::text[]) as x (role)
      cross join lateral (
            select * from users a
             where a.role = x.role and a.role <> 'patient' and not a.disabled and a.activated
               and ($2::uuid[] is null or a.id = any($2)) and ($3::uuid is null or a.id < $3)
             order by a.id desc limit $4) u
       ${KEY}
      order by u.id desc limit $4`,
    [roles, ids, before, limit],
  );
  return rows.map((row) => opened(seals.keyring, row));
}

/** The accounts of these ids that are there and open, in any order. */
export async function findAccounts(db: Db, seals: AccountSeals, ids: readonly string[]): Promise<Account[]> {
  const { rows } = await db.query<Row>(
    `select ${FIELDS} from users u join subject_keys k on k.subject_id = u.id where u.id = any($1::uuid[])`,
    [ids],
  );
  return rows
    .map((row) => opened(seals.keyring, row))
    .filter((account): account is Account => !("damaged" in account));
}

function opened(keyring: Keyring, row: Row): Account | DamagedAccount {
  const sealed = sealedUsers.tryOpen(keyring, row);
  return sealed ? accountOf(sealed, row) : { id: row.id as string, damaged: true };
}

/** Ids of accounts to which another address was given, and the time to object is over. */
export async function findDueAddresses(db: Db, now: Date, limit: number): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>(
    `select id from users where address_due <= $1 order by address_due, id limit $2`,
    [now, limit],
  );
  return rows.map(({ id }) => id);
}

/** Whether there is any admin, active or not. */
export async function adminExists(db: Db): Promise<boolean> {
  const { rows } = await db.query(`select from users where role = 'admin' limit 1`);
  return rows.length > 0;
}
