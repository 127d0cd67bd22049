import type { ExportFault, ExportStage } from "@medvault/contracts";
import { createSubjectKey, findSubjectKeys, type Keyring, type SealedRow } from "@medvault/keys";
import type { Db, Tx } from "@medvault/postgres";
import type { Export, ExportSecrets } from "./export.ts";
import { exportSecrets } from "./export-secret.table.ts";

const EXPORT = `id, patient_id as "patientId", requested_by as "requestedBy", state, stage, percent, reason, purpose,
       created_at as "createdAt", expires_at as "expiresAt", size_bytes::float8 as "sizeBytes", blob`;
const UNDER_WAY = "state in ('queued', 'running')";
const WAS_KEPT = "state = 'ready'";

/**
 * Inserts an export and what it needs. `limit`: the person has so many under way; `running`: one of
 * this chart. Otherwise null.
 */
export async function insertExport(
  tx: Tx,
  keyring: Keyring,
  one: Pick<Export, "id" | "patientId" | "requestedBy" | "purpose"> & { chart: readonly string[] },
  secrets: ExportSecrets,
  most: number,
): Promise<Export | "limit" | "running"> {
  await tx.query("select pg_advisory_xact_lock(hashtextextended('medvault.exports/' || $1::text, 0))", [
    one.requestedBy,
  ]);
  const { rows: counts } = await tx.query<{ count: number }>(
    `select count(*)::int as count from exports where requested_by = $1 and ${UNDER_WAY}`,
    [one.requestedBy],
  );
  if ((counts[0]?.count ?? 0) >= most) return "limit";
  const { rows } = await tx.query<Export>(
    `insert into exports (id, patient_id, patient_ids, requested_by, purpose, state)
     values ($1, $2, $3, $4, $5, 'queued')
     on conflict (patient_id, requested_by) where ${UNDER_WAY} do nothing returning ${EXPORT}`,
    [one.id, one.patientId, one.chart, one.requestedBy, one.purpose],
  );
  const [inserted] = rows;
  if (!inserted) return "running";
  await insertSecrets(tx, keyring, secrets);
  return inserted;
}

async function insertSecrets(tx: Tx, keyring: Keyring, secrets: ExportSecrets): Promise<void> {
  const subjectKey = await createSubjectKey(tx, keyring, secrets.patientId);
  const { open, sealed } = exportSecrets.seal(keyring, subjectKey, secrets);
  await tx.query(
    "insert into export_secrets (id, patient_id, rev, open, sealed) values ($1, $2, $3, $4, $5)",
    [secrets.id, secrets.patientId, secrets.rev, open, sealed],
  );
}

/** Seals these in the place of those before. False: the patient's key is destroyed. */
export async function replaceSecrets(tx: Tx, keyring: Keyring, secrets: ExportSecrets): Promise<boolean> {
  const subjectKey = (await findSubjectKeys(tx, [secrets.patientId])).get(secrets.patientId);
  if (!subjectKey) return false;
  const { open, sealed } = exportSecrets.seal(keyring, subjectKey, secrets);
  const { rowCount } = await tx.query(
    "update export_secrets set rev = $2, open = $3, sealed = $4 where id = $1",
    [secrets.id, secrets.rev, open, sealed],
  );
  return rowCount === 1;
}

/** Null: destroyed, or the patient's key is. */
export async function openSecrets(db: Db, keyring: Keyring, id: string): Promise<ExportSecrets | null> {
  const { rows } = await db.query<SealedRow>(
    `select s.id, s.patient_id, s.rev, s.open, s.sealed, k.wrapped as subject_key
       from export_secrets s join subject_keys k on k.subject_id = s.patient_id where s.id = $1`,
    [id],
  );
  return rows[0] ? exportSecrets.tryOpen(keyring, rows[0]) : null;
}

/** One that this person asked for. */
export async function findExport(db: Db, id: string, requestedBy: string): Promise<Export | null> {
  const { rows } = await db.query<Export>(
    `select ${EXPORT} from exports where id = $1 and requested_by = $2`,
    [id, requestedBy],
  );
  return rows[0] ?? null;
}

export async function deleteExport(tx: Tx, id: string): Promise<boolean> {
  const { rowCount } = await tx.query("delete from exports where id = $1", [id]);
  return rowCount === 1;
}

/** Deletes the exports of these patients, in whatever state; gives the blobs that were kept. */
export async function deleteExportsOf(tx: Tx, patientIds: readonly string[]): Promise<string[]> {
  const { rows } = await tx.query<{ blob: string | null }>(
    "delete from exports where patient_ids && $1::uuid[] returning blob",
    [patientIds],
  );
  return rows.flatMap(({ blob }) => blob ?? []);
}

/**
 * Takes the export that waits longest, or whose maker has not said for a while that it is alive.
 * Null: none.
 */
export async function claimExport(
  db: Db,
  runner: string,
  leaseMs: number,
): Promise<(Export & { attempts: number }) | null> {
  const { rows } = await db.query<Export & { attempts: number }>(
    `update exports set state = 'running', runner = $1, attempts = attempts + 1, percent = 0, stage = null,
            leased_until = now() + $2 * interval '1 millisecond'
      where id = (select id from exports
                   where ${UNDER_WAY} and (leased_until is null or leased_until < now())
                   order by created_at limit 1 for update skip locked)
      returning ${EXPORT}, attempts`,
    [runner, leaseMs],
  );
  return rows[0] ?? null;
}

/** Says how far it is. False: it is the runner's no more, cancelled or erased. */
export async function renewExport(
  db: Db,
  id: string,
  runner: string,
  { leaseMs, stage, percent }: { leaseMs: number; stage: ExportStage; percent: number },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `update exports set leased_until = now() + $3 * interval '1 millisecond', stage = $4, percent = $5
      where id = $1 and runner = $2 and state = 'running'`,
    [id, runner, leaseMs, stage, percent],
  );
  return rowCount === 1;
}

/** Gives it back, to be made again by anyone, not before `afterMs`. */
export async function releaseExport(db: Db, id: string, runner: string, afterMs: number): Promise<void> {
  await db.query(
    `update exports set state = 'queued', runner = null, leased_until = now() + $3 * interval '1 millisecond'
      where id = $1 and runner = $2 and state = 'running'`,
    [id, runner, afterMs],
  );
}

/** The archive is there. False: it is the runner's no more. */
export async function finishExport(
  tx: Tx,
  id: string,
  runner: string,
  made: { blob: string; sizeBytes: number; keepMs: number },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update exports set state = 'ready', stage = null, percent = 100, runner = null, leased_until = null,
            blob = $3, size_bytes = $4, expires_at = now() + $5 * interval '1 millisecond'
      where id = $1 and runner = $2 and state = 'running'`,
    [id, runner, made.blob, made.sizeBytes, made.keepMs],
  );
  return rowCount === 1;
}

/** There will be no archive. False: it is the runner's no more. */
export async function failExport(tx: Tx, id: string, runner: string, reason: ExportFault): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update exports set state = 'failed', stage = null, reason = $3, runner = null, leased_until = null
      where id = $1 and runner = $2 and state = 'running'`,
    [id, runner, reason],
  );
  if (rowCount === 1) await destroySecrets(tx, [id]);
  return rowCount === 1;
}

/** From now on nothing opens the archives, wherever their bytes are. */
async function destroySecrets(tx: Tx, ids: readonly string[]): Promise<void> {
  await tx.query("delete from export_secrets where id = any($1::uuid[])", [ids]);
}

type Ended = Export & { blob: string };

/**
 * Ends archives that are kept: those whose time is up, or what a person had made of one chart
 * before. Their keys are destroyed; the caller removes the blobs.
 */
export async function expireExports(
  tx: Tx,
  which: { patientId: string; requestedBy: string } | "due",
  most: number,
): Promise<Ended[]> {
  const [patientId, requestedBy] = which === "due" ? [null, null] : [which.patientId, which.requestedBy];
  const { rows } = await tx.query<Ended>(
    `select ${EXPORT} from exports
      where ${WAS_KEPT} and case when $1::uuid is null then expires_at <= now()
                                 else patient_id = $1 and requested_by = $2 end
      order by expires_at limit $3 for update skip locked`,
    [patientId, requestedBy, most],
  );
  const ids = rows.map(({ id }) => id);
  await tx.query("update exports set state = 'expired', blob = null where id = any($1::uuid[])", [ids]);
  await destroySecrets(tx, ids);
  return rows;
}

/** Drops what ended long ago. */
export async function forgetExports(db: Db, olderThanMs: number, most: number): Promise<void> {
  await db.query(
    `delete from exports where id = any(array(
       select id from exports where created_at < now() - $1 * interval '1 millisecond'
          and not (${UNDER_WAY} or ${WAS_KEPT}) order by created_at limit $2))`,
    [olderThanMs, most],
  );
}

export interface DownloadBounds {
  /** For so long one download keeps others out. */
  holdMs: number;
  /** So many times in all, and within so long of the first. */
  most: number;
  withinMs: number;
}

/** Begins a download. `gone` and `busy`: not this time. */
export async function beginDownload(
  db: Db,
  id: string,
  { holdMs, most, withinMs }: DownloadBounds,
): Promise<"begun" | "gone" | "busy"> {
  const { rowCount } = await db.query(
    `update exports set download_until = now() + $2 * interval '1 millisecond', downloads = downloads + 1,
            first_download_at = coalesce(first_download_at, now())
      where id = $1 and ${WAS_KEPT} and expires_at > now() and (download_until is null or download_until <= now())
        and downloads < $3 and coalesce(first_download_at, now()) > now() - $4 * interval '1 millisecond'`,
    [id, holdMs, most, withinMs],
  );
  if (rowCount === 1) return "begun";
  const { rows } = await db.query(
    `select from exports where id = $1 and ${WAS_KEPT} and download_until > now()`,
    [id],
  );
  return rows.length > 0 ? "busy" : "gone";
}

/** A long download goes on. */
export async function holdDownload(db: Db, id: string, holdMs: number): Promise<void> {
  await db.query(
    `update exports set download_until = now() + $2 * interval '1 millisecond' where id = $1 and ${WAS_KEPT}`,
    [id, holdMs],
  );
}

/** It broke off: another may begin. */
export async function leaveDownload(tx: Tx, id: string): Promise<void> {
  await tx.query(`update exports set download_until = null where id = $1 and ${WAS_KEPT}`, [id]);
}

/** All but the last byte was sent. False: it ended meanwhile, and that byte is not to be sent. */
export async function completeDownload(tx: Tx, id: string): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update exports set state = 'downloaded', blob = null, download_until = null
      where id = $1 and ${WAS_KEPT}`,
    [id],
  );
  await destroySecrets(tx, [id]);
  return rowCount === 1;
}
