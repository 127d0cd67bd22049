import type { Db, Tx } from "@medvault/postgres";

/** Uses a TOTP step: true for one caller, and only for a later step than the last one used. */
export async function useTotpStep(tx: Tx, userId: string, step: number): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update users set totp_last_step = $2 where id = $1 and totp_last_step < $2`,
    [userId, step],
  );
  return rowCount === 1;
}

/** Uses a recovery code up: true for exactly one caller. */
export async function useRecoveryCode(tx: Tx, userId: string, token: Buffer): Promise<boolean> {
  const { rowCount } = await tx.query(`delete from recovery_codes where user_id = $1 and code_token = $2`, [
    userId,
    token,
  ]);
  return rowCount === 1;
}

/** Puts these codes in the place of all that the user had. */
export async function replaceRecoveryCodes(tx: Tx, userId: string, tokens: readonly Buffer[]): Promise<void> {
  await tx.query(`delete from recovery_codes where user_id = $1`, [userId]);
  await tx.query(`insert into recovery_codes (user_id, code_token) select $1, unnest($2::bytea[])`, [
    userId,
    tokens,
  ]);
}

/** How many are left. */
export async function countRecoveryCodes(db: Db, userId: string): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    `select count(*) as count from recovery_codes where user_id = $1`,
    [userId],
  );
  return rows[0]?.count ?? 0;
}

/** How many passkeys a user has. */
export async function countPasskeys(db: Db, userId: string): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    `select count(*) as count from passkeys where user_id = $1`,
    [userId],
  );
  return rows[0]?.count ?? 0;
}

/** Deletes all passkeys of a user; says how many they were. */
export async function deletePasskeysOf(tx: Tx, userId: string): Promise<number> {
  const { rowCount } = await tx.query(`delete from passkeys where user_id = $1`, [userId]);
  return rowCount ?? 0;
}
