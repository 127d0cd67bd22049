import type { Db, Tx } from "@medvault/postgres";

const CLEANED_PER_INSERT = 100;

/** In whose name a job acts, and on which chart. Its token is kept nowhere, only its hash. */
export interface Delegation {
  userId: string;
  sessionId: string;
  patientIds: string[];
  expiresAt: Date;
}

/** Keeps one, and drops some that have ended. */
export async function insertDelegation(
  tx: Tx,
  hash: Buffer,
  { userId, sessionId, patientIds, expiresAt }: Delegation,
  now: Date,
): Promise<void> {
  await tx.query(
    `delete from delegations where hash = any(array(
       select hash from delegations where expires_at <= $1 limit $2 for update skip locked))`,
    [now, CLEANED_PER_INSERT],
  );
  await tx.query(
    "insert into delegations (hash, user_id, session_id, patient_ids, expires_at) values ($1, $2, $3, $4, $5)",
    [hash, userId, sessionId, patientIds, expiresAt],
  );
}

/** The one with this hash that has not ended; else null. */
export async function findDelegation(db: Db, hash: Buffer, now: Date): Promise<Delegation | null> {
  const { rows } = await db.query<Delegation>(
    `select user_id as "userId", session_id as "sessionId", patient_ids as "patientIds", expires_at as "expiresAt"
       from delegations where hash = $1 and expires_at > $2`,
    [hash, now],
  );
  return rows[0] ?? null;
}

/** Of a user who is gone. */
export async function deleteDelegationsOf(tx: Tx, userId: string): Promise<void> {
  await tx.query("delete from delegations where user_id = $1", [userId]);
}
