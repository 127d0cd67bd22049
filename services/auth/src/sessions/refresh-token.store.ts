import type { NewEvent } from "@medvault/contracts";
import type { Keyring } from "@medvault/keys";
import { emitWith } from "@medvault/messaging";
import type { Db } from "@medvault/postgres";
import { FIELDS, type Row, toSession } from "./session.store.ts";
import type { Session } from "./session.ts";

export interface FoundToken {
  sessionId: string;
  sessionEnded: boolean;
  transport: Session["transport"];
  /** Its session. Throws where its row does not open. */
  session(): Session;
  usedAt: Date | null;
  usedBy: Buffer | null;
  successorUsed: boolean;
}

/** What became of a token, with its session; null when there never was one, or its user is gone. */
export async function findRefreshToken(db: Db, keyring: Keyring, hash: Buffer): Promise<FoundToken | null> {
  const { rows } = await db.query<
    Row & { id: string; used_at: Date | null; used_by: Buffer | null; successor_used: boolean }
  >(
    `select ${FIELDS}, t.used_at, t.used_by, n.used_at is not null as successor_used
       from refresh_tokens t join sessions s on s.id = t.session_id
       join subject_keys k on k.subject_id = s.user_id
       left join refresh_tokens n on n.hash = t.successor
      where t.hash = $1`,
    [hash],
  );
  const row = rows[0];
  if (!row) return null;
  return {
    sessionId: row.id,
    sessionEnded: row.ended_at !== null,
    transport: row.transport,
    session: () => toSession(keyring, row),
    usedAt: row.used_at,
    usedBy: row.used_by,
    successorUsed: row.successor_used,
  };
}

/** A token that is spent, and the one that takes its place. */
export interface Spending {
  hash: Buffer;
  /** The blind name of who spends it. */
  usedBy: Buffer;
  successor: Buffer;
  /** Of the account that the gate looked at: it may not have changed since. */
  accountRev: number;
}

/**
 * Spends a token for its successor, with the use of its session and the event of it: of any number
 * at once exactly one does, the others wait for it and then get false; so does who finds that the
 * session has ended or the account has changed. One statement; the rows' locks decide.
 */
export async function spendRefreshToken(
  db: Db,
  { hash, usedBy, successor, accountRev }: Spending,
  used: Session,
  event: NewEvent,
): Promise<boolean> {
  return emitWith(db, "auth", [event], {
    ctes: `spent as (
             update refresh_tokens set used_at = $2::timestamptz, used_by = $3, successor = $4::bytea
              where hash = $1 and used_at is null
                and exists (select from users where id = $5 and rev = $6)
             returning session_id),
           used as (
             update sessions s set last_seen_at = $2, idle_expires_at = $7
               from spent where s.id = spent.session_id and s.ended_at is null
             returning s.id),
           next as (
             insert into refresh_tokens (hash, session_id, created_at) select $4::bytea, id, $2::timestamptz from used)`,
    done: "used",
    values: [hash, used.lastSeenAt, usedBy, successor, used.userId, accountRev, used.idleExpiresAt],
  });
}
