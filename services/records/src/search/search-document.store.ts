import { type Db, type Tx, withDeadline } from "@medvault/postgres";
import { mergedChart } from "../access/reach.ts";
import type { StoredDocument } from "./search-document.ts";

// Which rows there are, in which revisions. Of the index alone where the table was vacuumed.
const PRINT = `
       cross join lateral (
         select encode(int8send(coalesce(bit_xor(uuid_hash_extended(p.id, p.rev)), 0))
                       || int4send(count(*)::int) || int4send(r.rev), 'hex') as print
           from prescriptions p where p.patient_id = r.id) x`;
// One of 16 MiB, padded and sealed, is not as long.
const MAX_SEALED_BYTES = 20 * 1024 * 1024;
const DOCUMENTS = `
     select r.id, k.wrapped as subject_key, d.rev,
            case when octet_length(d.sealed) < ${MAX_SEALED_BYTES} then d.sealed end as sealed, x.print, ${mergedChart("r.id")} as chart,
            exists (select from search_changes c where c.patient_id = r.id and not c.projected) as "isAwaited"
       from patients r join subject_keys k on k.subject_id = r.id
       left join search_documents d on d.patient_id = r.id${PRINT}
      where r.id = any($1::uuid[])`;

// No transaction: a reader finds nothing that changed in it, and it is pruned once it is projected.
const NO_TRANSACTION = "'0'::xid8";
const REQUEST = `
     insert into search_changes (patient_id, xid)
     select x.id, ${NO_TRANSACTION} from unnest($1::uuid[]) x (id)
      where not exists (select from search_changes c where c.patient_id = x.id and not c.projected)`;

// One process at a time: the lock is let go with the transaction, however that ends. A document of
// n times 64 KiB is written again after n seconds, so that a patient with very many rows costs no
// more than others; a time that no clock has written yet holds up nothing.
const TAKE = `
     with lease as materialized (
       select pg_try_advisory_xact_lock(hashtextextended('records/search-documents', 0)) as held)
     select held, pg_current_snapshot()::text as snapshot,
            array(select t.id from (
              select w.id, sum(w.bytes) over (order by w.id) - w.bytes as before from (
                select c.patient_id as id, coalesce(octet_length(d.sealed), 0) as bytes
                  from search_changes c left join search_documents d on d.patient_id = c.patient_id
                 where held and not c.projected and c.patient_id > $1
                   and not coalesce(d.written_at between
                         now() - least(octet_length(d.sealed) / 65536, 300) * interval '1 second' and now(), false)
                 group by c.patient_id, d.patient_id order by c.patient_id limit $2) w) t
             where t.before < ${16 * 1024 * 1024} order by t.id) as ids
       from lease`;

// Rows that were changed are read even where the document has their revision.
const ROWS = `
     select r.id, r.patient_id as "patientId", r.rev,
            r.id in (select c.row_id from search_changes c
                      where c.patient_id = any($1::uuid[]) and not c.projected and c.row_id is not null) as "isChanged"
       from prescriptions r where r.patient_id = any($1::uuid[]) order by r.patient_id, r.id`;

const WRITE = `
     with written as (
       insert into search_documents (patient_id, rev, written_at, sealed)
       select x.id, x.rev, now(), x.sealed from unnest($1::uuid[], $2::int[], $3::bytea[]) x (id, rev, sealed)
       on conflict (patient_id) do update
          set rev = excluded.rev, written_at = excluded.written_at, sealed = excluded.sealed),
     gone as (
       delete from search_documents where patient_id = any($4::uuid[]) and patient_id <> all($1::uuid[]))
     update search_changes set projected = true
      where patient_id = any($4::uuid[]) and not projected and pg_visible_in_snapshot(xid, $5::pg_snapshot)`;

const MAX_COUNTED = 10_000;
const BACKLOG = `
     select count(distinct patient_id) as patients,
            (select extract(epoch from now() - coalesce(max(noted_at) filter (where horizon <= c.oldest), min(noted_at)))::float8
               from search_horizons) as seconds
       from (select min(xid) filter (where xid > ${NO_TRANSACTION}) over () as oldest, patient_id
               from (select xid, patient_id from search_changes where not projected limit ${MAX_COUNTED}) waiting) c
      group by c.oldest`;

const NOTE_HORIZON = `
     insert into search_horizons (noted_at)
     select now() where exists (select from search_changes)
                    and not exists (select from search_horizons where noted_at > now() - interval '50 seconds')
     on conflict do nothing`;
// A reader takes an hour for too old; who was in time when it asked has read by now.
const PRUNE = `
     with kept as (select noted_at, horizon from search_horizons
                    where noted_at < now() - interval '65 minutes' order by noted_at desc limit 1),
          older as (delete from search_horizons h using kept where h.noted_at < kept.noted_at)
     delete from search_changes
      where ctid = any(array(select c.ctid from search_changes c, kept
                              where c.xid < kept.horizon and c.projected order by c.xid limit $1))`;

const STATEMENT_MS = 10_000;

/** The documents of those of these patients who have a key, whether there is one or not. */
export async function readDocuments(db: Db, ids: readonly string[]): Promise<StoredDocument[]> {
  const { rows } = await withDeadline(STATEMENT_MS, () =>
    db.query<StoredDocument & object>(DOCUMENTS, [ids]),
  );
  return rows;
}

/** Has the documents of these patients written again, soon, and by whichever process. */
export async function requestDocuments(db: Db, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await db.query(REQUEST, [ids]);
}

/** Patients whose documents are to be written, and what of their changes is in what is read now. */
export interface Taken {
  readonly ids: readonly string[];
  readonly snapshot: string;
}

/** The next after an id; null while another process does this. Until the transaction ends. */
export async function takeChanged(tx: Tx, after: string, limit: number): Promise<Taken | null> {
  const { rows } = await tx.query<Taken & { held: boolean }>(TAKE, [after, limit]);
  return rows[0]?.held ? rows[0] : null;
}

/** Whose row in which revision, and whether its change is in no document yet. */
export interface RowRevision {
  readonly id: string;
  readonly patientId: string;
  readonly rev: number;
  readonly isChanged: boolean;
}

export async function readRevisions(db: Db, patientIds: readonly string[]): Promise<RowRevision[]> {
  if (patientIds.length === 0) return [];
  const { rows } = await withDeadline(STATEMENT_MS, () => db.query<RowRevision & object>(ROWS, [patientIds]));
  return rows;
}

/** A document as it is written. */
export interface SealedDocument {
  readonly id: string;
  readonly rev: number;
  readonly sealed: Buffer;
}

/** Writes documents of patients that were taken. The others of them have none from now on. */
export async function writeDocuments(
  tx: Tx,
  { ids, snapshot }: Taken,
  documents: readonly SealedDocument[],
): Promise<void> {
  await tx.query(WRITE, [
    documents.map(({ id }) => id),
    documents.map(({ rev }) => rev),
    documents.map(({ sealed }) => sealed),
    ids,
    snapshot,
  ]);
}

/** Patients whose documents are to be written, and since when the first change of them waits. */
export interface Backlog {
  /** Counted up to the changes of 10,000. */
  readonly patients: number;
  /** To about a minute. */
  readonly seconds: number;
}

export async function readBacklog(db: Db): Promise<Backlog> {
  const { rows } = await db.query<{ patients: number; seconds: number | null }>(BACKLOG);
  const { patients = 0, seconds = 0 } = rows[0] ?? {};
  return { patients, seconds: Math.max(0, seconds ?? 0) };
}

/**
 * Deletes changes that are in their documents and that every process has read or is too late to
 * read. Returns whether there may be more.
 */
export async function pruneChanges(db: Db, limit: number): Promise<boolean> {
  await db.query(NOTE_HORIZON);
  const { rowCount } = await db.query(PRUNE, [limit]);
  return rowCount === limit;
}
