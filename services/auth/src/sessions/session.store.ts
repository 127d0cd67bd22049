import type { AccountRole, NewEvent } from "@medvault/contracts";
import type { Keyring } from "@medvault/keys";
import { emitWith } from "@medvault/messaging";
import type { Db, Tx } from "@medvault/postgres";
import { type Success, successCtes, successValues } from "../lockout/lockout.store.ts";
import { sealedSessions } from "./session.table.ts";
import type { EndReason, Session } from "./session.ts";

/** The columns of a row that `toSession` opens. */
export const FIELDS = `s.id, s.user_id, s.role, s.kind, s.transport, s.pv, s.amr, s.auth_time, s.created_at, s.last_seen_at,
            s.idle_expires_at, s.absolute_expires_at, s.ended_at, s.rev, s.open, s.sealed, k.wrapped as subject_key`;

export type Row = Parameters<typeof sealedSessions.open>[1] & {
  transport: Session["transport"];
  pv: number | null;
  amr: string[];
  auth_time: Date;
  last_seen_at: Date;
  idle_expires_at: Date;
  absolute_expires_at: Date;
  ended_at: Date | null;
};

/** The session of a row. Throws where it does not open. */
export function toSession(keyring: Keyring, row: Row): Session {
  const { rev: _rev, ...sealed } = sealedSessions.open(keyring, row);
  return {
    ...sealed,
    createdAt: new Date(sealed.createdAt),
    transport: row.transport,
    pv: row.pv,
    amr: row.amr,
    authTime: row.auth_time,
    lastSeenAt: row.last_seen_at,
    idleExpiresAt: row.idle_expires_at,
    absoluteExpiresAt: row.absolute_expires_at,
    endedAt: row.ended_at,
  };
}

/** What is stored with a new session. */
export interface Beginning {
  /** The hash of its refresh token, if it has one. */
  refreshHash: Buffer | null;
  /** What the end of the sign-in leaves, if it ends with it. */
  success: Success | null;
  events: readonly NewEvent[];
}

/** Stores a new session with what belongs to its beginning. One statement. */
export async function insertSession(
  tx: Tx,
  keyring: Keyring,
  subjectKey: Buffer,
  session: Session,
  { refreshHash, success, events }: Beginning,
): Promise<void> {
  const { open, sealed } = sealedSessions.seal(keyring, subjectKey, { ...session, rev: 1 });
  await emitWith(tx, "auth", events, {
    ctes: `started as (
       insert into sessions (id, user_id, role, kind, amr, auth_time, created_at, last_seen_at, idle_expires_at,
                             absolute_expires_at, rev, open, sealed, transport, pv)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11, $12, $13, $14)
       returning id, created_at),
     refreshed as (
       insert into refresh_tokens (hash, session_id, created_at)
       select $15::bytea, id, created_at from started where $15::bytea is not null)
     ${success ? `, ${successCtes(16)}` : ""}`,
    done: "started",
    values: [
      session.id,
      session.userId,
      session.role,
      session.kind,
      session.amr,
      session.authTime,
      session.createdAt,
      session.lastSeenAt,
      session.idleExpiresAt,
      session.absoluteExpiresAt,
      open,
      sealed,
      session.transport,
      session.pv,
      refreshHash,
      ...(success ? successValues(success, session.createdAt) : []),
    ],
  });
}

/** The session, or null. One whose user was deleted does not open any more and is not there. */
export async function findSession(db: Db, keyring: Keyring, id: string): Promise<Session | null> {
  const { rows } = await db.query<Row>(
    `select ${FIELDS}
       from sessions s join subject_keys k on k.subject_id = s.user_id
      where s.id = $1`,
    [id],
  );
  return rows[0] ? toSession(keyring, rows[0]) : null;
}

/** The session, locked until the transaction ends, or null. */
export async function lockSession(tx: Tx, keyring: Keyring, id: string): Promise<Session | null> {
  const { rows } = await tx.query<Row>(
    `select ${FIELDS}
       from sessions s join subject_keys k on k.subject_id = s.user_id
      where s.id = $1
        for no key update of s`,
    [id],
  );
  return rows[0] ? toSession(keyring, rows[0]) : null;
}

/** What a use of the session changes; what is sealed does not. */
export async function saveUse(tx: Tx, session: Session): Promise<void> {
  await tx.query(`update sessions set last_seen_at = $2, idle_expires_at = $3, amr = $4 where id = $1`, [
    session.id,
    session.lastSeenAt,
    session.idleExpiresAt,
    session.amr,
  ]);
}

export interface SessionFilter {
  userId: string | null;
  role: AccountRole | null;
  /** Ids below this one. */
  before: string | null;
  limit: number;
}

/** Live full sessions, newest first. One whose row is damaged works no more and is left out. */
export async function listLiveSessions(
  db: Db,
  keyring: Keyring,
  filter: SessionFilter,
  now: Date,
): Promise<Session[]> {
  const { rows } = await db.query<Row>(
    `select ${FIELDS}
       from (select * from sessions l
              where l.ended_at is null and l.kind = 'full' and l.absolute_expires_at > $1 and l.idle_expires_at > $1
                and ($2::uuid is null or l.user_id = $2) and ($3::text is null or l.role = $3)
                and ($4::uuid is null or l.id < $4)
              order by l.id desc limit $5) s
      cross join lateral (select x.wrapped from subject_keys x where x.subject_id = s.user_id offset 0) k
      order by s.id desc`,
    [now, filter.userId, filter.role, filter.before, filter.limit],
  );
  return rows.flatMap((row) => (sealedSessions.tryOpen(keyring, row) ? [toSession(keyring, row)] : []));
}

/** Notes that these sessions have ended; says which of them had not before. */
export async function markEnded(
  tx: Tx,
  ids: readonly string[],
  reason: EndReason,
  now: Date,
): Promise<string[]> {
  if (ids.length === 0) return [];
  const { rows } = await tx.query<{ id: string }>(
    `update sessions set ended_at = $2, end_reason = $3 where id = any($1::uuid[]) and ended_at is null returning id`,
    [ids, now, reason],
  );
  return rows.map((row) => row.id);
}

/** Notes that every session of a user but `except` has ended; says which had not before. */
export async function markEndedOf(
  tx: Tx,
  userId: string,
  except: string | null,
  reason: EndReason,
  now: Date,
): Promise<string[]> {
  const { rows } = await tx.query<{ id: string }>(
    `update sessions set ended_at = $3, end_reason = $4
      where user_id = $1 and id is distinct from $2::uuid and ended_at is null returning id`,
    [userId, except, now, reason],
  );
  return rows.map((row) => row.id);
}

/** Every session that is kept of a user, ended ones too; at most 1,000, latest first. */
export async function sessionIdsOf(db: Db, userId: string): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>(
    "select id from sessions where user_id = $1 order by id desc limit 1000",
    [userId],
  );
  return rows.map((row) => row.id);
}

/** Up to `limit` live sessions from before `before`; locked: each caller gets others. */
export async function lockBegunBefore(tx: Tx, before: Date, limit: number): Promise<string[]> {
  const { rows } = await tx.query<{ id: string }>(
    `select id from sessions where ended_at is null and created_at < $1
      order by id limit $2 for update skip locked`,
    [before, limit],
  );
  return rows.map((row) => row.id);
}

/** Up to `limit` sessions that have run out unnoticed; locked: two sweepers share the work. */
export async function lockExpired(
  tx: Tx,
  now: Date,
  graceMs: number,
  limit: number,
): Promise<{ id: string; absolute: boolean }[]> {
  const { rows } = await tx.query<{ id: string; absolute: boolean }>(
    `select id, absolute_expires_at <= $1 as absolute from sessions
      where ended_at is null and (absolute_expires_at <= $1 or idle_expires_at <= $2)
      order by id limit $3 for update skip locked`,
    [now, new Date(now.getTime() - graceMs), limit],
  );
  return rows;
}

/** Deletes sessions, and their tokens, that ended before `before`. */
export async function deleteEndedSessions(db: Db, before: Date): Promise<void> {
  await db.query(`delete from sessions where ended_at < $1`, [before]);
}

/** Live sessions from `after` on, for the fast copy. */
export async function liveSessionsAfter(
  db: Db,
  keyring: Keyring,
  after: string | null,
  limit: number,
  now: Date,
): Promise<Session[]> {
  const { rows } = await db.query<Row>(
    `select ${FIELDS}
       from sessions s join subject_keys k on k.subject_id = s.user_id
      where s.ended_at is null and s.absolute_expires_at > $1 and ($2::uuid is null or s.id > $2)
      order by s.id limit $3`,
    [now, after, limit],
  );
  return rows.map((row) => toSession(keyring, row));
}

/** Ids of sessions that have ended and would otherwise still run, from `after` on. */
export async function endedSessionIdsAfter(
  db: Db,
  after: string | null,
  limit: number,
  now: Date,
): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>(
    `select id from sessions
      where ended_at is not null and absolute_expires_at > $1 and ($2::uuid is null or id > $2)
      order by id limit $3`,
    [now, after, limit],
  );
  return rows.map((row) => row.id);
}

/** At most so many rows are counted: a number beyond it is "very many". */
const MAX_COUNTED = 100_000;

/** How many sessions are alive, by role. */
export async function countLive(db: Db, now: Date): Promise<{ role: string; count: number }[]> {
  const { rows } = await db.query<{ role: string; count: number }>(
    `select role, count(*) as count from (
       select role from sessions where ended_at is null and absolute_expires_at > $1 and idle_expires_at > $1 limit $2) live
      group by role`,
    [now, MAX_COUNTED],
  );
  return rows;
}
