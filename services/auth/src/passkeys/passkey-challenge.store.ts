import type { Db } from "@medvault/postgres";
import type { Challenge, ChallengePurpose } from "./passkey.ts";

/** Stores what is to be signed, by its hash. */
export async function insertChallenge(db: Db, hash: Buffer, challenge: Challenge): Promise<void> {
  await db.query(
    `insert into passkey_challenges (hash, purpose, user_id, bound_to, expires_at) values ($1, $2, $3, $4, $5)`,
    [hash, challenge.purpose, challenge.userId, challenge.boundTo, challenge.expiresAt],
  );
}

/** Uses a challenge up, whatever it was for: of any number at once one caller gets it. */
export async function takeChallenge(db: Db, hash: Buffer): Promise<Challenge | null> {
  const { rows } = await db.query<{
    purpose: ChallengePurpose;
    user_id: string | null;
    bound_to: string | null;
    expires_at: Date;
  }>(`delete from passkey_challenges where hash = $1 returning purpose, user_id, bound_to, expires_at`, [
    hash,
  ]);
  const row = rows[0];
  return row
    ? { purpose: row.purpose, userId: row.user_id, boundTo: row.bound_to, expiresAt: row.expires_at }
    : null;
}
