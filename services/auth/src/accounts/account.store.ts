import { VersionConflict } from "@medvault/contracts";
import { createSubjectKey, findSubjectKeys, type Keyring, LiveIndexes, shred } from "@medvault/keys";
import type { Db, Tx } from "@medvault/postgres";
import { blindToken } from "../tokens/blind-token.ts";
import { EmailTaken, UsernameTaken } from "./account.errors.ts";
import { type SealedAccount, sealedUsers } from "./account.table.ts";
import type { Account } from "./account.ts";

/** What opens and finds accounts. */
export interface AccountSeals {
  keyring: Keyring;
  userIndex: LiveIndexes<SealedAccount>;
  /** Key of the blind tokens of addresses that are claimed only. */
  blindKey: Buffer;
}

/**
 * Opens the index of accounts, whose keys may change under a running process (`keys reindex
 * users`): once, at boot.
 */
export const openUserIndex = (db: Db, keyring: Keyring): Promise<LiveIndexes<SealedAccount>> =>
  LiveIndexes.open(db, keyring, sealedUsers);

/**
 * What goes into the event of a write, so that a row rolled back behind our back is found
 * (ARCHITECTURE.md, "Keys").
 */
export interface WriteDetails extends Record<string, string | number> {
  rev: number;
  boxSha256: string;
}

/** An account with its role's permission version at the moment when it was found. */
export type FoundAccount = Account & { pv: number };

/** The columns of a row that `toAccount` opens. */
export const FIELDS = `u.id, u.role, u.disabled, u.activated, u.mfa_enabled, u.max_sessions, u.created_at, u.updated_at,
            u.rev, u.open, u.sealed, k.wrapped as subject_key`;

export type Row = Parameters<typeof sealedUsers.open>[1] & {
  max_sessions: number;
  created_at: Date;
  updated_at: Date;
};

/** The account of a row. Throws where it does not open. */
export function toAccount(keyring: Keyring, row: Row): Account {
  return accountOf(sealedUsers.open(keyring, row), row);
}

/** The account of a row that was opened. What boxes of before do not hold is filled in. */
export function accountOf({ email, ...sealed }: SealedAccount, row: Row): Account {
  return {
    ...sealed,
    email: email ?? sealed.pendingEmail ?? "",
    emailOwned: email !== null,
    emailUnconfirmed: sealed.emailUnconfirmed ?? false,
    name: sealed.name ?? null,
    title: sealed.title ?? null,
    speciality: sealed.speciality ?? null,
    professionalNumber: sealed.professionalNumber ?? null,
    language: sealed.language ?? null,
    timeZone: sealed.timeZone ?? null,
    stoppedReminders: sealed.stoppedReminders ?? [],
    maxSessions: row.max_sessions,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

function toSealed(account: Account): SealedAccount {
  if (account.emailOwned) return account;
  return { ...account, email: null, pendingEmail: account.pendingEmail ?? account.email };
}

/** Of an address that is claimed only; it is not unique, and nobody signs in by it alone. */
function claimToken(seals: AccountSeals, email: string): Buffer {
  return blindToken(seals.blindKey, "claimed address", email.trim().toLowerCase());
}

/** The account, or null. */
export async function findAccount(db: Db, seals: AccountSeals, id: string): Promise<Account | null> {
  const { rows } = await db.query<Row>(
    `select ${FIELDS} from users u join subject_keys k on k.subject_id = u.id where u.id = $1`,
    [id],
  );
  return rows[0] ? toAccount(seals.keyring, rows[0]) : null;
}

/** The role of an account, and whether it is disabled; null where there is none. Opens nothing. */
export async function findRole(db: Db, id: string): Promise<Pick<Account, "role" | "disabled"> | null> {
  const { rows } = await db.query<Pick<Account, "role" | "disabled">>(
    "select role, disabled from users where id = $1",
    [id],
  );
  return rows[0] ?? null;
}

/**
 * The account, locked until the transaction ends: grants and changes of one account come one after
 * the other.
 */
export async function lockAccount(tx: Tx, seals: AccountSeals, id: string): Promise<Account | null> {
  const { rows } = await tx.query<Row>(
    `select ${FIELDS} from users u join subject_keys k on k.subject_id = u.id where u.id = $1
        for no key update of u`,
    [id],
  );
  return rows[0] ? toAccount(seals.keyring, rows[0]) : null;
}

/** Whose username or (if it holds an @) address this is, in whatever case. */
export async function findAccountByIdentifier(
  db: Db,
  seals: AccountSeals,
  identifier: string,
): Promise<FoundAccount | null> {
  return (await findWithIdentifier(db, seals, identifier))?.account ?? null;
}

/** The same, with the row and what else was to be read of it. */
export async function findWithIdentifier<M extends object>(
  db: Db,
  seals: AccountSeals,
  identifier: string,
  more?: { columns: string; values: unknown[] },
): Promise<{ account: FoundAccount; row: M } | null> {
  const field = identifier.includes("@") ? "email" : "username";
  const { rows } = await findByIndex<M>(db, seals, field, identifier, more);
  const [row] = rows;
  if (!row) return null;
  const account = { ...toAccount(seals.keyring, row), pv: row.pv };
  // The token knows neither case nor accents; a name with an accent that is not there is another.
  return account[field].toLowerCase() === identifier.trim().toLowerCase() ? { account, row } : null;
}

/** The account that has this address, or null; also under a token that it shares with another. */
export async function findHolder(db: Db, seals: AccountSeals, email: string): Promise<Account | null> {
  const { rows } = await findByIndex(db, seals, "email", email);
  return rows[0] ? toAccount(seals.keyring, rows[0]) : null;
}

/** `more`: columns that are read with it, with parameters from $3 on. */
function findByIndex<M extends object>(
  db: Db,
  seals: AccountSeals,
  field: "username" | "email",
  value: string,
  more: { columns: string; values: unknown[] } = { columns: "true", values: [] },
) {
  return seals.userIndex.read(db, (query) => {
    const tokens = query.exact(field, value) ?? [];
    const both = field === "email" ? [[], tokens] : [tokens, []];
    return db.query<Row & M & { pv: number }>(
      `select ${FIELDS}, r.version as pv, ${more.columns}
         from users u join subject_keys k on k.subject_id = u.id join roles r on r.role = u.role
        where u.username_token = any($1::bytea[]) or u.email_token = any($2::bytea[])`,
      [...both, ...more.values],
    );
  });
}

/** The newest account that claims this address and does not own it, or null. */
export async function findClaimant(db: Db, seals: AccountSeals, email: string): Promise<FoundAccount | null> {
  const { rows } = await db.query<Row & { pv: number }>(
    `select ${FIELDS}, r.version as pv
       from users u join subject_keys k on k.subject_id = u.id join roles r on r.role = u.role
      where u.pending_email_token = $1 and u.email_token is null
      order by u.id desc limit 1`,
    [claimToken(seals, email)],
  );
  return rows[0] ? { ...toAccount(seals.keyring, rows[0]), pv: rows[0].pv } : null;
}

/** Stores a new account. Throws UsernameTaken or EmailTaken; the transaction is then lost. */
export async function insertAccount(tx: Tx, seals: AccountSeals, account: Account): Promise<WriteDetails> {
  const subjectKey = await createSubjectKey(tx, seals.keyring, account.id);
  const { values, details } = await sealedValues(tx, seals, subjectKey, account);
  await uniqueOrTaken(
    tx.query(
      `insert into users (id, role, disabled, activated, mfa_enabled, username_token, email_token, max_sessions,
                          updated_at, rev, open, sealed, pending_email_token, address_due, created_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
      [...values, account.createdAt],
    ),
  );
  return details;
}

/**
 * Seals and stores a changed account as the next rev. Throws VersionConflict when the row is not at
 * `account.rev` any more, UsernameTaken or EmailTaken.
 */
export async function saveAccount(
  tx: Tx,
  seals: AccountSeals,
  account: Account,
  now: Date,
): Promise<{ account: Account; details: WriteDetails }> {
  const next = { ...account, rev: account.rev + 1, updatedAt: now };
  const subjectKey = (await findSubjectKeys(tx, [account.id])).get(account.id);
  if (!subjectKey) throw new VersionConflict(); // deleted meanwhile
  const { values, details } = await sealedValues(tx, seals, subjectKey, next);
  const { rowCount } = await uniqueOrTaken(
    tx.query(
      `update users
          set role = $2, disabled = $3, activated = $4, mfa_enabled = $5, username_token = $6, email_token = $7,
              max_sessions = $8, updated_at = $9, rev = $10, open = $11, sealed = $12, pending_email_token = $13,
              address_due = $14
        where id = $1 and rev = $15`,
      [...values, account.rev],
    ),
  );
  if (rowCount !== 1) throw new VersionConflict();
  return { account: next, details };
}

/** The row of an account, in the order in which both writes have it. */
async function sealedValues(tx: Tx, seals: AccountSeals, subjectKey: Buffer, account: Account) {
  const { open, sealed } = sealedUsers.seal(seals.keyring, subjectKey, toSealed(account));
  const tokens = await freeTokens(tx, seals, toSealed(account));
  const values = [
    account.id,
    account.role,
    account.disabled,
    account.activated,
    account.mfaEnabled,
    tokens.username,
    tokens.email,
    account.maxSessions,
    account.updatedAt,
    account.rev,
    open,
    sealed,
    account.emailOwned ? null : claimToken(seals, account.pendingEmail ?? account.email),
    account.pendingUntil,
  ];
  return { values, details: { rev: account.rev, boxSha256: sealedUsers.boxHash(sealed) } };
}

/**
 * The account's tokens. While their keys change, a name under the old key does not meet itself in
 * the unique index.
 */
async function freeTokens(tx: Tx, seals: AccountSeals, account: SealedAccount) {
  const tokens = await seals.userIndex.tokens(tx, account);
  await seals.userIndex.read(tx, async (query) => {
    const usernames = query.exact("username", account.username) ?? [];
    const emails = (account.email !== null && query.exact("email", account.email)) || [];
    if (usernames.length < 2) return;
    const { rows } = await tx.query<{ by_name: boolean }>(
      `select u.username_token = any($2::bytea[]) as by_name from users u
        where u.id <> $1 and (u.username_token = any($2::bytea[]) or u.email_token = any($3::bytea[])) limit 1`,
      [account.id, usernames, emails],
    );
    if (rows[0]) throw rows[0].by_name ? new UsernameTaken() : new EmailTaken();
  });
  return tokens;
}

async function uniqueOrTaken<T>(query: Promise<T>): Promise<T> {
  try {
    return await query;
  } catch (error) {
    const { code, constraint } = error as { code?: unknown; constraint?: unknown };
    if (code === "23505" && constraint === "users_username_token_key") throw new UsernameTaken();
    if (code === "23505" && constraint === "users_email_token_key") throw new EmailTaken();
    throw error;
  }
}

/**
 * Locks every active admin's row, in one order, and says who they are, so that two demotions at
 * once cannot leave nobody. Call it before any other account is locked: no two then block each
 * other.
 */
export async function lockActiveAdmins(tx: Tx): Promise<string[]> {
  const { rows } = await tx.query<{ id: string }>(
    `select id from users where role = 'admin' and not disabled and activated order by id for no key update`,
  );
  return rows.map((row) => row.id);
}

/**
 * Deletes the account, all that is kept of where it signed in from, and the key that opens what is
 * left of it; its sessions must have ended before.
 */
export async function deleteAccount(tx: Tx, id: string): Promise<void> {
  await tx.query(
    `with tokens as (delete from one_time_tokens where user_id = $1),
          devices as (delete from known_devices where user_id = $1)
     delete from known_addresses where user_id = $1`,
    [id],
  );
  await tx.query(`delete from users where id = $1`, [id]);
  await shred(tx, id);
}
