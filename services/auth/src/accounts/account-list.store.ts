import type { AccountRole } from "@medvault/contracts";
import type { Keyring } from "@medvault/keys";
import type { Db } from "@medvault/postgres";
import { type AccountSeals, accountOf, FIELDS, type Row } from "./account.store.ts";
import { sealedUsers } from "./account.table.ts";
import type { Account, AccountFilter, DamagedAccount } from "./account.ts";

/** Accounts, newest first. */
export async function listAccounts(
  db: Db,
  seals: AccountSeals,
  filter: AccountFilter,
): Promise<(Account | DamagedAccount)[]> {
  const { rows } = await db.query<Row>(
    `select ${FIELDS} from users u join subject_keys k on k.subject_id = u.id
      where ($1::text is null or u.role = $1) and ($2::boolean is null or u.disabled = $2)
        and ($3::uuid is null or u.id < $3)
      order by u.id desc limit $4`,
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

/** Active accounts of these roles, newest first. */
export async function listStaff(
  db: Db,
  seals: AccountSeals,
  { roles, ids, before, limit }: StaffFilter,
): Promise<(Account | DamagedAccount)[]> {
  const { rows } = await db.query<Row>(
    `select ${FIELDS} from users u join subject_keys k on k.subject_id = u.id
      where u.role = any($1::text[]) and not u.disabled and u.activated
        and ($2::uuid[] is null or u.id = any($2)) and ($3::uuid is null or u.id < $3)
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
