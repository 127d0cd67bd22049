import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { Readable } from "node:stream";
import type pg from "pg";
import { takeBlob } from "../archive/archive.store.ts";
import { Count, toLines } from "../archive/lines.ts";
import type { AuditLine, FileLine, Manifest, Part } from "../archive/manifest.ts";
import type { Measured } from "../archive/measure.ts";
import { type BackupFolder, writePart } from "../archive/part.store.ts";
import type { Context } from "../context.ts";
import { lastCopy } from "../erasures/ledger.store.ts";
import type { Progress } from "../work/progress.ts";
import {
  fileBytes,
  inSnapshot,
  listFiles,
  listMigrations,
  listTables,
  postgresVersion,
  type SourceTable,
  sizesOf,
  snapshotOf,
  startCopy,
} from "./snapshot.store.ts";

/** Tables that are copied at once. More would take the disk from the services. */
const PARALLEL_COPIES = 2;
/** Partial tiles go when full ones come: a walk in which a file vanished is repeated. */
const MAX_AUDIT_WALKS = 5;

type Sources = Pick<Context, "copyPool" | "archiveDir" | "filesDir" | "auditDir">;

/** A backup that is being made. */
export interface Draft extends BackupFolder {
  readonly createdAt: Date;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

export interface Collected {
  readonly manifest: Manifest;
  readonly files: number;
  /** Of parts and blobs together. */
  readonly sizeBytes: number;
}

/**
 * Copies everything into the draft, in bounded memory: the database as of one snapshot, then the
 * blobs of the files in that snapshot, then the audit log's outside store. When it throws, the
 * draft is worth nothing.
 */
export async function collect(sources: Sources, draft: Draft): Promise<Collected> {
  const fromDatabase = await inSnapshot(sources.copyPool, PARALLEL_COPIES, async (clients) => {
    const [first] = clients;
    if (!first) throw new RangeError("no connection to copy by");
    const tables = await listTables(first);
    draft.progress.stage = "tables";
    const tableBytes = await sizesOf(first, tables);
    draft.progress.expect([...tableBytes.values(), await fileBytes(first)].reduce((a, b) => a + b, 0));
    const migrations = await listMigrations(first);
    const version = await postgresVersion(first);
    const snapshot = await snapshotOf(first);
    const parts = await copyTables(draft, clients, tables, tableBytes);
    draft.progress.stage = "files";
    return { parts, migrations, version, snapshot, files: await copyFiles(sources, draft, first) };
  });
  const { files } = fromDatabase;
  draft.progress.stage = "log";
  const audit = await copyAudit(sources, draft);
  const parts = [...fromDatabase.parts, files.part, ...(audit ? [audit.part] : [])];
  const sizeBytes =
    parts.reduce((sum, part) => sum + part.sealedBytes, 0) + files.blobBytes + (audit?.blobBytes ?? 0);
  return {
    manifest: {
      format: "medvault-backup/1",
      id: draft.id,
      createdAt: draft.createdAt.toISOString(),
      postgresVersion: fromDatabase.version,
      snapshot: fromDatabase.snapshot,
      migrations: fromDatabase.migrations,
      parts: parts.sort((a, b) => (a.name < b.name ? -1 : 1)),
      filesMissing: files.missing,
      auditCheckpoint: audit?.checkpoint ?? null,
      erasures: await lastCopy(sources.copyPool),
    },
    files: files.part.rows - files.missing,
    sizeBytes,
  };
}

/** Every connection takes the next table until none is left. */
async function copyTables(
  draft: Draft,
  clients: pg.PoolClient[],
  tables: SourceTable[],
  bytes: ReadonlyMap<SourceTable, number>,
): Promise<Part[]> {
  const queue = [...tables];
  const parts: Part[] = [];
  await Promise.all(
    clients.map(async (client) => {
      for (let next = queue.shift(); next; next = queue.shift())
        parts.push(await copyTable(draft, client, next, bytes.get(next) ?? 0));
    }),
  );
  return parts;
}

async function copyTable(
  draft: Draft,
  client: pg.PoolClient,
  source: SourceTable,
  bytes: number,
): Promise<Part> {
  const name = `${source.schema}.${source.table}`;
  const copy = startCopy(client, source);
  const share = draft.progress.share(bytes);
  const written = await writePart(draft, name, copy, { signal: draft.signal, onBytes: share.add });
  share.end();
  return { name, ...source, rows: copy.rowCount ?? 0, ...written };
}

/** A list, one JSON a line, in place of a table. */
async function writeList(
  draft: Draft,
  kind: "files" | "audit",
  items: AsyncIterable<unknown>,
): Promise<Part> {
  const count = new Count();
  const plain = Readable.from(toLines(count.of(items)));
  const name = `${kind}.list`;
  const written = await writePart(draft, name, plain, draft);
  return { name, kind, schema: null, table: null, columns: [], rows: count.items, ...written };
}

/**
 * Lists the files of the snapshot and takes their blobs. One that was deleted since, or is damaged,
 * is noted in the list: the rest is worth having all the same.
 */
async function copyFiles(sources: Sources, draft: Draft, client: pg.PoolClient) {
  const totals = { blobBytes: 0, missing: 0 };
  async function* lines(): AsyncGenerator<FileLine> {
    for await (const file of listFiles(client)) {
      draft.signal.throwIfAborted();
      const source = join(sources.filesDir, "blobs", file.blob.slice(0, 2), file.blob);
      const missing = await takeFile(sources.archiveDir, draft.folder, source, file);
      draft.progress.share(file.bytes).end();
      if (missing) totals.missing += 1;
      else totals.blobBytes += file.bytes;
      yield missing ? { ...file, missing } : file;
    }
  }
  const part = await writeList(draft, "files", lines());
  return { ...totals, part };
}

async function takeFile(
  archiveDir: string,
  folder: string,
  source: string,
  expected: Measured,
): Promise<"gone" | "damaged" | null> {
  try {
    await takeBlob(archiveDir, folder, source, expected);
    return null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "gone";
    if (error instanceof RangeError) return "damaged";
    throw error;
  }
}

/**
 * Takes the audit log's outside store: the checkpoint first, then all else, so that everything that
 * the checkpoint covers is in the backup, and at most more. Null when there is no store yet.
 */
async function copyAudit(sources: Sources, draft: Draft) {
  const checkpoint = join(sources.auditDir, "checkpoint");
  const note = await readFile(checkpoint, "utf8").catch(() => null);
  if (note === null) return null;
  const taken = new Map<string, AuditLine>();
  await takeAuditFile(sources, draft, checkpoint, taken);
  for (let walk = 1; !(await walkAudit(sources, draft, taken)); walk++) {
    if (walk === MAX_AUDIT_WALKS) throw new RangeError("files of the audit store vanish in every walk");
  }
  const lines = [...taken.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  return {
    checkpoint: treeSizeOf(note),
    blobBytes: lines.reduce((sum, line) => sum + line.bytes, 0),
    part: await writeList(draft, "audit", Readable.from(lines)),
  };
}

/** False when a file vanished while it was walked. */
async function walkAudit(sources: Sources, draft: Draft, taken: Map<string, AuditLine>): Promise<boolean> {
  let whole = true;
  for (const entry of await readdir(sources.auditDir, { recursive: true, withFileTypes: true })) {
    draft.signal.throwIfAborted();
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || taken.has(relative(sources.auditDir, path))) continue;
    whole = (await takeAuditFile(sources, draft, path, taken)) && whole;
  }
  return whole;
}

async function takeAuditFile(
  { archiveDir, auditDir }: Sources,
  draft: Draft,
  path: string,
  taken: Map<string, AuditLine>,
): Promise<boolean> {
  try {
    const found = await takeBlob(archiveDir, draft.folder, path, null);
    const name = relative(auditDir, path);
    taken.set(name, { path: name, ...found });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/** The second line of a checkpoint is the size of the tree (c2sp.org/tlog-checkpoint). */
function treeSizeOf(note: string): number {
  const size = Number(note.split("\n")[1]);
  return Number.isSafeInteger(size) && size >= 0 ? size : 0;
}
