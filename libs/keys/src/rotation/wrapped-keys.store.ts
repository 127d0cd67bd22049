import type { Db, Tx } from "@medvault/postgres";
import { answerKeyContext } from "../kept-answer.ts";

/** How many keys one version of the service key wraps, by kind. */
export interface WrappedCounts {
  readonly subject: number;
  /** Of kept answers (`idempotency_keys`). */
  readonly answer: number;
  readonly table: number;
  readonly index: number;
  readonly signing: number;
}

/** A wrapped key as it is stored, and what it is wrapped with. */
export interface StoredWrapped {
  readonly id: string;
  readonly wrapped: Buffer;
  readonly context: readonly string[];
}

/** Which keys to take next: under versions below one, without those that did not open before. */
export interface Batch {
  readonly below: number;
  readonly limit: number;
  readonly except: readonly string[];
}

/** Which versions wrap how many keys. Reads all of subject_keys once: some 0.3 s a million. */
export async function countWrapped(db: Db): Promise<Map<number, WrappedCounts>> {
  const { rows } = await db.query<{ version: Buffer; kind: keyof WrappedCounts; count: number }>(
    `select substring(wrapped from 3 for 4) as version, 'subject' as kind, count(*) as count from subject_keys group by 1
     union all
     select substring(wrapped from 3 for 4), 'answer', count(*) from idempotency_keys where wrapped is not null group by 1
     union all
     select substring(wrapped from 3 for 4), kind, count(*) from keys where state <> 'destroyed' group by 1, 2`,
  );
  const counts = new Map<number, WrappedCounts>();
  for (const { version, kind, count } of rows) {
    const number = version.readUInt32BE(0);
    const known = counts.get(number) ?? { subject: 0, answer: 0, table: 0, index: 0, signing: 0 };
    counts.set(number, { ...known, [kind]: count });
  }
  return counts;
}

/** How many keys are wrapped by versions below this one. Subjects and answers by index. */
export async function countBelow(db: Db, version: number): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    `select (select count(*) from subject_keys where substring(wrapped from 3 for 4) < $1)
          + (select count(*) from idempotency_keys where substring(wrapped from 3 for 4) < $1)
          + (select count(*) from keys where state <> 'destroyed' and substring(wrapped from 3 for 4) < $1) as count`,
    [versionBytes(version)],
  );
  return rows[0]?.count ?? 0;
}

/** Locks subject keys under versions below this one, skipping those that others have locked. */
export async function lockSubjectKeysBelow(tx: Tx, batch: Batch): Promise<StoredWrapped[]> {
  const { rows } = await tx.query<{ id: string; wrapped: Buffer }>(
    `select subject_id as id, wrapped from subject_keys
      where substring(wrapped from 3 for 4) < $1 and subject_id::text <> all ($3::text[]) limit $2
        for no key update skip locked`,
    [versionBytes(batch.below), batch.limit, batch.except],
  );
  return rows.map(({ id, wrapped }) => ({ id, wrapped, context: ["subject", id] }));
}

export async function saveSubjectKeys(tx: Tx, keys: readonly StoredWrapped[]): Promise<void> {
  await tx.query(
    `update subject_keys k set wrapped = x.wrapped
       from unnest($1::uuid[], $2::bytea[]) as x (subject_id, wrapped) where k.subject_id = x.subject_id`,
    [keys.map(({ id }) => id), keys.map(({ wrapped }) => wrapped)],
  );
}

/** The keys of kept answers, as lockSubjectKeysBelow. A row that is locked stays in its place. */
export async function lockAnswerKeysBelow(tx: Tx, batch: Batch): Promise<StoredWrapped[]> {
  const { rows } = await tx.query<{ id: string; key: Buffer; wrapped: Buffer }>(
    `select 'answer/' || ctid as id, key, wrapped from idempotency_keys
      where substring(wrapped from 3 for 4) < $1 and 'answer/' || ctid <> all ($3::text[]) limit $2
        for no key update skip locked`,
    [versionBytes(batch.below), batch.limit, batch.except],
  );
  return rows.map(({ id, key, wrapped }) => ({ id, wrapped, context: answerKeyContext(key) }));
}

export async function saveAnswerKeys(tx: Tx, keys: readonly StoredWrapped[]): Promise<void> {
  await tx.query(
    `update idempotency_keys a set wrapped = x.wrapped
       from unnest($1::tid[], $2::bytea[]) as x (place, wrapped) where a.ctid = x.place`,
    [keys.map(({ id }) => id.slice("answer/".length)), keys.map(({ wrapped }) => wrapped)],
  );
}

/** Table, index and signing keys of all generations, as lockSubjectKeysBelow: some dozens. */
export async function lockKeysBelow(tx: Tx, batch: Batch): Promise<StoredWrapped[]> {
  const { rows } = await tx.query<{ id: string; kind: string; name: string; wrapped: Buffer }>(
    `select kind || '/' || version || '/' || name as id, kind, name, wrapped from keys
      where state <> 'destroyed' and substring(wrapped from 3 for 4) < $1
        and kind || '/' || version || '/' || name <> all ($3::text[]) limit $2
        for no key update skip locked`,
    [versionBytes(batch.below), batch.limit, batch.except],
  );
  return rows.map(({ id, kind, name, wrapped }) => ({ id, wrapped, context: [kind, name] }));
}

export async function saveKeys(tx: Tx, keys: readonly StoredWrapped[]): Promise<void> {
  await tx.query(
    `update keys k set wrapped = x.wrapped
       from unnest($1::text[], $2::bytea[]) as x (id, wrapped)
      where k.kind || '/' || k.version || '/' || k.name = x.id`,
    [keys.map(({ id }) => id), keys.map(({ wrapped }) => wrapped)],
  );
}

/**
 * How many keys of each kind say one of these versions. By index: milliseconds, whatever the size.
 */
export async function countWrappedBy(
  db: Db,
  versions: readonly number[],
): Promise<{ kind: string; count: number }[]> {
  const { rows } = await db.query<{ kind: string; count: number }>(
    `select 'subject' as kind, count(*) as count from subject_keys where substring(wrapped from 3 for 4) = any($1::bytea[])
     union all
     select 'answer', count(*) from idempotency_keys where substring(wrapped from 3 for 4) = any($1::bytea[])
     union all
     select kind, count(*) from keys where state <> 'destroyed' and substring(wrapped from 3 for 4) = any($1::bytea[]) group by kind`,
    [versions.map(versionBytes)],
  );
  return rows;
}

/**
 * Closes a version in this transaction: nothing can be wrapped under it any more. Waits for every
 * transaction that wrote keys, so that a count taken afterwards is the last word; but not long,
 * since new writers queue up behind us (55P03).
 */
export async function closeVersion(tx: Tx, version: number, state: "retired" | "destroyed"): Promise<void> {
  await tx.query("set local lock_timeout = '300ms'");
  await tx.query("lock table idempotency_keys, subject_keys, keys in share row exclusive mode");
  await tx.query(
    `insert into service_key_versions (version, state) values ($1, $2)
     on conflict (version) do update set state = excluded.state
      where service_key_versions.state = 'retired' and excluded.state = 'destroyed'`,
    [version, state],
  );
}

/** When a version was closed after its last key was gone, and how; or null. */
export async function closedVersion(
  db: Db,
  version: number,
): Promise<{ state: "retired" | "destroyed"; closedAt: Date } | null> {
  const { rows } = await db.query<{ state: "retired" | "destroyed"; closed_at: Date }>(
    "select state, closed_at from service_key_versions where version = $1",
    [version],
  );
  return rows[0] ? { state: rows[0].state, closedAt: rows[0].closed_at } : null;
}

/** How many keys in kept backups need a version of this service's key; 0 if it is in none. */
export async function countInBackups(db: Db, service: string, version: number): Promise<number> {
  const closed = await closedVersion(db, version);
  const { rows } = await db.query<{ count: number }>(
    "select backup.keysets_needing($1, $2, coalesce($3::timestamptz, now())) as count",
    [service, version, closed?.closedAt ?? null],
  );
  return rows[0]?.count ?? 0;
}

/** Subject keys beyond an id, in order. */
export async function subjectKeysAfter(db: Db, after: string, limit: number): Promise<StoredWrapped[]> {
  const { rows } = await db.query<{ id: string; wrapped: Buffer }>(
    "select subject_id as id, wrapped from subject_keys where subject_id > $1 order by subject_id limit $2",
    [after, limit],
  );
  return rows.map(({ id, wrapped }) => ({ id, wrapped, context: ["subject", id] }));
}

/** Table, index and signing keys of all generations that are not destroyed. */
export async function allKeys(db: Db): Promise<StoredWrapped[]> {
  const { rows } = await db.query<{ id: string; kind: string; name: string; wrapped: Buffer }>(
    "select kind || '/' || version || '/' || name as id, kind, name, wrapped from keys where state <> 'destroyed'",
  );
  return rows.map(({ id, kind, name, wrapped }) => ({ id, wrapped, context: [kind, name] }));
}

/** A version as wrapped keys say it. */
export function versionBytes(version: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(version);
  return bytes;
}
