import type { Db, Tx } from "@medvault/postgres";

export type TokenPurpose =
  | "mfa_login"
  | "password_reset"
  | "invitation"
  | "email_change"
  | "address_objection";

export interface OneTimeToken {
  userId: string;
  purpose: TokenPurpose;
  transport: "bearer" | "cookie";
  /** Of a half-finished sign-in: the permission version that it began under. */
  pv: number | null;
}

/** How many of one purpose a user may have at once: the newest stay. */
const KEPT: Readonly<Record<TokenPurpose, number>> = {
  mfa_login: 10,
  password_reset: 1,
  invitation: 1,
  email_change: 1,
  address_objection: 1,
};

/** Stores a token's hash; older ones of the same user and purpose go when there are too many. */
export async function insertOneTimeToken(
  tx: Tx,
  token: { hash: Buffer; expiresAt: Date } & Pick<OneTimeToken, "userId" | "purpose"> &
    Partial<Pick<OneTimeToken, "transport" | "pv">>,
  now: Date,
): Promise<void> {
  await tx.query(
    `insert into one_time_tokens (hash, user_id, purpose, created_at, expires_at, transport, pv)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [
      token.hash,
      token.userId,
      token.purpose,
      now,
      token.expiresAt,
      token.transport ?? "bearer",
      token.pv ?? null,
    ],
  );
  await tx.query(
    `update one_time_tokens set used_at = $5 where hash in
       (select hash from one_time_tokens where user_id = $1 and purpose = $2 and hash <> $3 and used_at is null
         order by created_at desc, hash offset $4)`,
    [token.userId, token.purpose, token.hash, KEPT[token.purpose] - 1, now],
  );
}

/** Whose token this is, if it is good for one of these purposes. It stays. */
export async function findOneTimeToken(
  db: Db,
  hash: Buffer,
  purposes: readonly TokenPurpose[],
  now: Date,
): Promise<OneTimeToken | null> {
  const { rows } = await db.query<{ user_id: string } & Omit<OneTimeToken, "userId">>(
    `select user_id, purpose, transport, pv from one_time_tokens where hash = $1 and purpose = any($2) and expires_at > $3
        and used_at is null`,
    [hash, purposes, now],
  );
  const row = rows[0];
  return row ? { userId: row.user_id, purpose: row.purpose, transport: row.transport, pv: row.pv } : null;
}

/** Uses a token up: of any number at once one caller gets true. */
export async function useOneTimeToken(tx: Tx, hash: Buffer, now: Date): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update one_time_tokens set used_at = $2 where hash = $1 and expires_at > $2 and used_at is null`,
    [hash, now],
  );
  return rowCount === 1;
}

/** Voids what a user still has of these purposes. */
export async function deleteOneTimeTokens(
  tx: Tx,
  userId: string,
  purposes: readonly TokenPurpose[],
): Promise<void> {
  await tx.query(
    `update one_time_tokens set used_at = now() where user_id = $1 and purpose = any($2) and used_at is null`,
    [userId, purposes],
  );
}

/** Whether such a token was given out, and not long ago: used or void, it is no guess. */
export async function wasOneTimeToken(db: Db, hash: Buffer): Promise<boolean> {
  const { rowCount } = await db.query(`select from one_time_tokens where hash = $1`, [hash]);
  return rowCount !== 0;
}

/** Deletes what has run out, challenges to passkeys included. */
export async function deleteExpired(db: Db, now: Date): Promise<void> {
  await db.query(
    `with challenges as (delete from passkey_challenges where expires_at <= $1)
     delete from one_time_tokens where expires_at <= $1`,
    [now],
  );
}
