import type { SessionTransport } from "@medvault/contracts";
import type { Db, Tx } from "@medvault/postgres";

/** Stores a token's hash as the session's present one. */
export async function insertRefreshToken(tx: Tx, hash: Buffer, sessionId: string, now: Date): Promise<void> {
  await tx.query(`insert into refresh_tokens (hash, session_id, created_at) values ($1, $2, $3)`, [
    hash,
    sessionId,
    now,
  ]);
}

/**
 * Spends a token for its successor: of any number at once exactly one gets the session's id, the
 * others wait for it to commit and then get null. One statement; the row's lock decides.
 */
export async function spendRefreshToken(
  tx: Tx,
  token: { hash: Buffer; usedBy: Buffer; successor: Buffer },
  now: Date,
): Promise<string | null> {
  const { rows } = await tx.query<{ session_id: string }>(
    `update refresh_tokens set used_at = $2, used_by = $3, successor = $4
      where hash = $1 and used_at is null returning session_id`,
    [token.hash, now, token.usedBy, token.successor],
  );
  return rows[0]?.session_id ?? null;
}

export interface SpentToken {
  sessionId: string;
  userId: string;
  sessionEnded: boolean;
  transport: SessionTransport;
  usedAt: Date | null;
  usedBy: Buffer | null;
  successorUsed: boolean;
}

/** What became of a token, or null when there never was one. */
export async function findRefreshToken(db: Db, hash: Buffer): Promise<SpentToken | null> {
  const { rows } = await db.query<{
    session_id: string;
    user_id: string;
    ended: boolean;
    transport: SessionTransport;
    used_at: Date | null;
    used_by: Buffer | null;
    successor_used: boolean;
  }>(
    `select t.session_id, s.user_id, s.ended_at is not null as ended, s.transport, t.used_at, t.used_by,
            n.used_at is not null as successor_used
       from refresh_tokens t join sessions s on s.id = t.session_id
       left join refresh_tokens n on n.hash = t.successor
      where t.hash = $1`,
    [hash],
  );
  const row = rows[0];
  if (!row) return null;
  return {
    sessionId: row.session_id,
    userId: row.user_id,
    sessionEnded: row.ended,
    transport: row.transport,
    usedAt: row.used_at,
    usedBy: row.used_by,
    successorUsed: row.successor_used,
  };
}
