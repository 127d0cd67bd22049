import type { Db, Tx } from "@medvault/postgres";

/** A mail, or what will become one, in its box. */
export interface WaitingMail {
  id: string;
  kind: string;
  /** How often it was tried, this time included. */
  attempts: number;
  sealed: Buffer;
}

/** Puts a mail in line, in the transaction of its cause. */
export async function insertMail(
  tx: Tx,
  mail: { id: string; kind: string; sealed: Buffer },
  now: Date,
): Promise<void> {
  await tx.query(
    `insert into mails (id, kind, created_at, next_at, sealed) values ($1, $2, $3, $3, $4)
                  on conflict (id) do nothing`,
    [mail.id, mail.kind, now, mail.sealed],
  );
}

/** Takes the next due mail for `leaseMs`; after that another may take it. Null: none is due. */
export async function claimMail(db: Db, leaseMs: number, now: Date): Promise<WaitingMail | null> {
  const { rows } = await db.query<WaitingMail>(
    `update mails set attempts = attempts + 1, next_at = $2
      where id = (select id from mails where parked_at is null and next_at <= $1
                   order by next_at, id limit 1 for update skip locked)
      returning id, kind, attempts, sealed`,
    [now, new Date(now.getTime() + leaseMs)],
  );
  return rows[0] ?? null;
}

/** What waits, in the order of ids, also of what is being sent; after one of them. */
export async function waitingMails(
  db: Db,
  after: string | null,
  limit: number,
): Promise<Pick<WaitingMail, "id" | "kind" | "sealed">[]> {
  const { rows } = await db.query<WaitingMail>(
    `select id, kind, sealed from mails
      where parked_at is null and ($1::uuid is null or id > $1) order by id limit $2`,
    [after, limit],
  );
  return rows;
}

/** Replaces what a mail was to be made from by the mail itself. False: it is gone. */
export async function replaceMail(tx: Tx, id: string, sealed: Buffer): Promise<boolean> {
  const { rowCount } = await tx.query(`update mails set sealed = $2 where id = $1 and parked_at is null`, [
    id,
    sealed,
  ]);
  return rowCount === 1;
}

/** It was sent, or there is none to send. */
export async function deleteMail(db: Db, id: string): Promise<void> {
  await db.query(`delete from mails where id = $1`, [id]);
}

/** It is tried again, not before `at`; a try that does not count is given back. */
export async function postponeMail(db: Db, id: string, at: Date, { counts = true } = {}): Promise<void> {
  const back = counts ? 0 : 1;
  await db.query(`update mails set next_at = $2, attempts = attempts - $3 where id = $1`, [id, at, back]);
}

/** It is given up: that there was one stays, what was in it (tokens, too) does not. */
export async function parkMail(tx: Tx, id: string, now: Date): Promise<void> {
  await tx.query(`update mails set parked_at = $2, sealed = null where id = $1`, [id, now]);
}

/** Deletes what was given up before `before`. */
export async function deleteParkedMails(db: Db, before: Date): Promise<void> {
  await db.query(`delete from mails where parked_at <= $1`, [before]);
}

/** How many mails wait to be sent, and how many were given up, each counted up to 10,000. */
export async function countMails(db: Db): Promise<{ waiting: number; parked: number }> {
  const { rows } = await db.query<{ waiting: number; parked: number }>(
    `select (select count(*) from (select from mails where parked_at is null limit 10000) w) as waiting,
            (select count(*) from (select from mails where parked_at is not null limit 10000) p) as parked`,
  );
  return rows[0] ?? { waiting: 0, parked: 0 };
}
