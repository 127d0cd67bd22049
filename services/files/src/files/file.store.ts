import type { Keyring, SealedRow } from "@medvault/keys";
import type { Db, Tx } from "@medvault/postgres";
import { files } from "./file.table.ts";
import type { FoundFile, StoredFile } from "./file.ts";
import type { Access } from "./records.client.ts";

type Row = SealedRow & { patient_id: string; created_at: Date };

/** Which files: of a chart, or on an attachment, or both; older than `beforeId` when paging. */
export interface FileFilter {
  chart: readonly string[];
  attachedTo: string | null;
  beforeId: string | null;
  limit: number;
  /** What is left out (`isClosed`). */
  closed: Access["closed"];
}

/** Seals and inserts. Returns when it was made, and the box's hash for the event. */
export async function insertFile(
  tx: Tx,
  keyring: Keyring,
  subjectKey: Buffer,
  file: StoredFile,
): Promise<{ createdAt: Date; boxSha256: string }> {
  const { open, sealed } = files.seal(keyring, subjectKey, file);
  const { rows } = await tx.query<{ created_at: Date }>(
    `insert into files (id, patient_id, attached_to, content_type, size_bytes, state, uploaded_by,
                        blob, blob_bytes, blob_sha256, rev, open, sealed)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
     returning created_at`,
    [
      file.id,
      file.patientId,
      file.attachedTo,
      file.contentType,
      file.sizeBytes,
      file.state,
      file.uploadedBy,
      file.blob,
      file.blobBytes,
      file.blobSha256,
      file.rev,
      open,
      sealed,
    ],
  );
  return { createdAt: rows[0]?.created_at ?? new Date(), boxSha256: files.boxHash(sealed) };
}

/** What the files of a chart take. Until the transaction ends no other adds to it. */
export async function lockUsage(tx: Tx, chart: Access["chart"]): Promise<{ bytes: number; files: number }> {
  // Two statements: the second must see what was committed while the first waited.
  await tx.query("select pg_advisory_xact_lock(hashtextextended($1::text, 0))", [chart[0]]);
  const { rows } = await tx.query<{ bytes: string; files: number }>(
    "select coalesce(sum(size_bytes), 0) as bytes, count(*)::int as files from files where patient_id = any($1::uuid[])",
    [chart],
  );
  return { bytes: Number(rows[0]?.bytes ?? 0), files: rows[0]?.files ?? 0 };
}

/** A file before access is checked. Opened only after that: others must not see damage. */
export interface SealedFile {
  patientId: string;
  open(): FoundFile | DamagedFile;
}

/** What is left of a file whose row does not open. */
export interface DamagedFile {
  id: string;
  patientId: string;
  damaged: true;
}

export const isDamaged = (file: FoundFile | DamagedFile): file is DamagedFile => "damaged" in file;

export async function findFile(db: Db, keyring: Keyring, id: string): Promise<SealedFile | null> {
  const { rows } = await db.query<Row>(
    `select f.id, f.patient_id, f.attached_to, f.content_type, f.size_bytes, f.state, f.uploaded_by,
            f.blob, f.blob_bytes, f.blob_sha256, f.created_at, f.rev, f.open, f.sealed, k.wrapped as subject_key
       from files f join subject_keys k on k.subject_id = f.patient_id
      where f.id = $1`,
    [id],
  );
  const [row] = rows;
  return row ? { patientId: row.patient_id, open: () => opened(keyring, row) } : null;
}

/** Newest first. A UUIDv7 rises with time, so the id alone orders. */
export async function listFiles(
  db: Db,
  keyring: Keyring,
  filter: FileFilter,
): Promise<(FoundFile | DamagedFile)[]> {
  const { rows } = await db.query<Row>(
    `select f.id, f.patient_id, f.attached_to, f.content_type, f.size_bytes, f.state, f.uploaded_by,
            f.blob, f.blob_bytes, f.blob_sha256, f.created_at, f.rev, f.open, f.sealed, k.wrapped as subject_key
       from unnest($1::uuid[]) as c (patient_id)
      cross join lateral (
            select * from files o
             where o.patient_id = c.patient_id
               and ($2::text is null or o.attached_to = $2)
               and ($3::uuid is null or o.id < $3)
               and not (array['file/*', 'file/' || o.id] && $5::text[]
                        or coalesce(o.attached_to = any($5)
                                    or split_part(o.attached_to, '/', 1) || '/*' = any($5), false))
             order by o.id desc limit $4) f
       join subject_keys k on k.subject_id = f.patient_id
      order by f.id desc
      limit $4`,
    [filter.chart, filter.attachedTo, filter.beforeId, filter.limit, filter.closed],
  );
  return rows.map((row) => opened(keyring, row));
}

/** The patient of an attachment's files; null when it has none. */
export async function patientOfAttachment(db: Db, attachedTo: string): Promise<string | null> {
  const { rows } = await db.query<{ patient_id: string }>(
    "select patient_id from files where attached_to = $1 limit 1",
    [attachedTo],
  );
  return rows[0]?.patient_id ?? null;
}

/** False when it is gone or has another revision by now. */
export async function deleteFile(tx: Tx, id: string, rev: number): Promise<boolean> {
  const { rowCount } = await tx.query("delete from files where id = $1 and rev = $2", [id, rev]);
  return rowCount === 1;
}

/** Deletes the files of these patients, in whatever state. */
export async function deleteFilesOf(
  tx: Tx,
  patientIds: readonly string[],
): Promise<{ id: string; blob: string }[]> {
  const { rows } = await tx.query<{ id: string; blob: string }>(
    "delete from files where patient_id = any($1::uuid[]) returning id, blob",
    [patientIds],
  );
  return rows;
}

/** Those of the given blobs that a row points to. */
export async function referencedBlobs(db: Db, names: readonly string[]): Promise<Set<string>> {
  const { rows } = await db.query<{ blob: string }>(
    `select blob from files where blob = any($1::uuid[])
     union all select blob from exports where blob = any($1::uuid[])`,
    [names],
  );
  return new Set(rows.map((row) => row.blob));
}

function opened(keyring: Keyring, row: Row): FoundFile | DamagedFile {
  const file = files.tryOpen(keyring, row);
  return file
    ? { ...file, createdAt: row.created_at }
    : { id: row.id as string, patientId: row.patient_id, damaged: true };
}
