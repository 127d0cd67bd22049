import { type Db, inTransaction, type Tx } from "@medvault/postgres";
import type pg from "pg";
import type { Keyring } from "../keyring/keyring.ts";
import { insertSubjectKeys, newSubjectKey } from "../keyring/subject-keys.ts";
import type { Audit, KeyPlace } from "./service-key.ts";

/**
 * Deletes a subject's wrapped key in the caller's transaction, and notes it: nothing of the subject
 * opens from the next read on, no restore and no kept backup brings the key back, and the rotation
 * that makes it final falls due. A subject without a key is noted too, for backups may still have
 * one. Returns whether there was a key.
 */
export async function shred(tx: Tx, subjectId: string): Promise<boolean> {
  const { rows } = await tx.query<{ had_key: boolean }>(
    `with gone as (delete from subject_keys where subject_id = $1 returning substring(wrapped from 3 for 4) as version),
          newest as (select substring(wrapped from 3 for 4) as version from subject_keys order by 1 desc limit 1)
     insert into shreds (subject_id, service_key_version)
     select $1, ('x' || encode(coalesce((select version from gone), (select version from newest), '\\x00000001'), 'hex'))::bit(32)::bigint
     on conflict (subject_id) do update
        set service_key_version = greatest(shreds.service_key_version, excluded.service_key_version), shredded_at = now(),
            final_at = case when exists (select from gone) then null else shreds.final_at end
     returning exists (select from gone) as had_key`,
    [subjectId],
  );
  return rows[0]?.had_key === true;
}

/**
 * Shreds a subject for good: no key is ever made for them again, not by a transaction that has
 * begun either. Until this one ends, others that would make their first key wait. Idempotent.
 */
export async function eraseSubject(tx: Tx, keyring: Keyring, subjectId: string): Promise<void> {
  const known = await tx.query("select from erased_subjects where subject_id = $1", [subjectId]);
  if (known.rowCount === 0) {
    // In the place of a key, so that another one that is being made is waited for, and shredded.
    await insertSubjectKeys(tx, new Map([[subjectId, newSubjectKey(keyring, subjectId)]]));
    await tx.query("insert into erased_subjects (subject_id) values ($1)", [subjectId]);
  }
  await shred(tx, subjectId);
}

/** Whether one of these was erased. */
export async function isAnyErased(db: Db, subjectIds: readonly string[]): Promise<boolean> {
  const { rowCount } = await db.query(
    "select from erased_subjects where subject_id = any($1::uuid[]) limit 1",
    [subjectIds],
  );
  return rowCount === 1;
}

/** When the last of these erased subjects became final; null while one of them is not. */
export async function allFinalAt(db: Db, subjectIds: readonly string[]): Promise<Date | null> {
  const { rows } = await db.query<{ at: Date | null }>(
    `select case when bool_and(s.final_at is not null) then max(s.final_at) end as at
       from unnest($1::uuid[]) as x (id) left join shreds s on s.subject_id = x.id`,
    [subjectIds],
  );
  return rows[0]?.at ?? null;
}

/** `shred` in a transaction of its own, with its event; `keys` in it is 0 or 1. */
export async function shredSubject(
  place: Pick<KeyPlace, "pool">,
  subjectId: string,
  audit: Audit,
): Promise<boolean> {
  return inTransaction(place.pool, async (tx) => {
    const hadKey = await shred(tx, subjectId);
    await audit(tx, { keys: hadKey ? 1 : 0 });
    return hadKey;
  });
}

/** What is not final yet of the shreds of a service. */
export interface OpenShreds {
  readonly count: number;
  readonly oldest: Date;
  /** All versions of the service key up to this one have to be destroyed. */
  readonly upTo: number;
}

/** Of the shreds that were made by then; null when all of those are final. */
export async function openShreds(db: Db, by: Date): Promise<OpenShreds | null> {
  const { rows } = await db.query<{ count: number; oldest: Date | null; up_to: number | null }>(
    `select count(*) as count, min(shredded_at) as oldest, max(service_key_version) as up_to
       from shreds where final_at is null and shredded_at <= $1`,
    [by],
  );
  const { count = 0, oldest = null, up_to: upTo = null } = rows[0] ?? {};
  return oldest && upTo ? { count, oldest, upTo } : null;
}

const SUBJECTS_PER_EVENT = 500;

/**
 * Marks every shred final whose versions, all up to that one, are destroyed; `audit` is asked for
 * the event of each 500. `within` begins each transaction. Returns how many.
 */
export async function markShredsFinal(
  pool: pg.Pool,
  upTo: number,
  audit: (subjects: readonly string[]) => Audit,
  at = new Date(),
  within: (tx: Tx) => Promise<void> = async () => undefined,
): Promise<number> {
  for (let count = 0; ; ) {
    const marked = await inTransaction(pool, async (tx) => {
      await within(tx);
      const ids = await markFinal(tx, upTo, at, SUBJECTS_PER_EVENT);
      if (ids.length > 0) await audit(ids)(tx, { shreds: ids.length, upToVersion: upTo });
      return ids.length;
    });
    count += marked;
    if (marked < SUBJECTS_PER_EVENT) return count;
  }
}

/** Marks shreds final whose versions are all destroyed, some at a time; returns their subjects. */
async function markFinal(tx: Tx, upTo: number, at: Date, limit: number): Promise<string[]> {
  const { rows } = await tx.query<{ subject_id: string }>(
    `update shreds set final_at = $2 where subject_id = any(array(
       select subject_id from shreds where final_at is null and service_key_version <= $1
        order by shredded_at limit $3 for update))
     returning subject_id`,
    [upTo, at, limit],
  );
  return rows.map((row) => row.subject_id);
}
