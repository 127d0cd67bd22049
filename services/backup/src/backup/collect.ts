import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { Readable } from "node:stream";
import type pg from "pg";
import { to as copyTo } from "pg-copy-streams";
import { type Archive, type Measured, writePart } from "./archive.ts";
import { Count, toLines } from "./lines.ts";
import type { AuditLine, FileLine, Manifest, Part } from "./manifest.ts";
import { inSnapshot, listMigrations, listTables, postgresVersion, type SourceTable } from "./snapshot.ts";
import { copyOut } from "./sql-names.ts";

/** Tables that are copied at once. More would take the disk from the services. */
const PARALLEL_COPIES = 2;
const FILES_PER_QUERY = 1_000;
/** The audit store's partial tiles go when full ones come: a walk that met a vanished file is repeated. */
const MAX_AUDIT_WALKS = 5;

export interface CollectDeps {
  pool: pg.Pool;
  archive: Archive;
  /** MEDVAULT_FILES_DIR and MEDVAULT_AUDIT_DIR. */
  filesDir: string;
  auditDir: string;
}

/** Which backup, where it is being made, and its key. */
export interface Draft {
  id: string;
  createdAt: Date;
  folder: string;
  key: Buffer;
  signal: AbortSignal;
}

export interface Collected {
  manifest: Manifest;
  files: number;
  /** Of parts and blobs together. */
  sizeBytes: number;
}

/**
 * Copies everything into the draft, in bounded memory: the database as of one snapshot, then the blobs of the files
 * in that snapshot, then the audit log's outside store. Throws what goes wrong; the draft is then for the bin.
 */
export async function collect(deps: CollectDeps, draft: Draft): Promise<Collected> {
  const fromDatabase = await inSnapshot(deps.pool, PARALLEL_COPIES, async (clients) => {
    const [first] = clients;
    if (!first) throw new RangeError("no connection to copy by");
    const tables = await listTables(first);
    const migrations = await listMigrations(first);
    const version = await postgresVersion(first);
    const parts = await copyTables(draft, clients, tables);
    return { parts, migrations, version, files: await copyFiles(deps, draft, first) };
  });
  const { files } = fromDatabase;
  const audit = await copyAudit(deps, draft);
  const parts = [...fromDatabase.parts, files.part, ...(audit ? [audit.part] : [])];
  const sizeBytes =
    parts.reduce((sum, part) => sum + part.sealedBytes, 0) + files.blobBytes + (audit?.blobBytes ?? 0);
  return {
    manifest: {
      format: "medvault-backup/1",
      id: draft.id,
      createdAt: draft.createdAt.toISOString(),
      postgresVersion: fromDatabase.version,
      migrations: fromDatabase.migrations,
      parts: parts.sort((a, b) => (a.name < b.name ? -1 : 1)),
      filesMissing: files.missing,
      auditCheckpoint: audit?.checkpoint ?? null,
    },
    files: files.part.rows - files.missing,
    sizeBytes,
  };
}

/** Every connection takes the next table until none is left. */
async function copyTables(draft: Draft, clients: pg.PoolClient[], tables: SourceTable[]): Promise<Part[]> {
  const queue = [...tables];
  const parts: Part[] = [];
  await Promise.all(
    clients.map(async (client) => {
      for (let next = queue.shift(); next; next = queue.shift())
        parts.push(await copyTable(draft, client, next));
    }),
  );
  return parts;
}

async function copyTable(draft: Draft, client: pg.PoolClient, source: SourceTable): Promise<Part> {
  const name = `${source.schema}.${source.table}`;
  const copy = client.query(copyTo(copyOut(source.schema, source.table, source.columns)));
  const written = await writePart(draft.folder, draft.id, draft.key, name, copy, draft.signal);
  return partOf(name, source, copy.rowCount ?? 0, written);
}

/**
 * Lists the files of the snapshot and takes their blobs. One that was deleted since, or is damaged, is noted in the
 * list: the rest is worth having all the same.
 */
async function copyFiles(deps: CollectDeps, draft: Draft, client: pg.PoolClient) {
  const count = new Count();
  const totals = { blobBytes: 0, missing: 0 };
  async function* lines(): AsyncGenerator<FileLine> {
    for await (const file of filesOf(client)) {
      draft.signal.throwIfAborted();
      const source = join(deps.filesDir, "blobs", file.blob.slice(0, 2), file.blob);
      const missing = await takeFile(deps.archive, draft.folder, source, file);
      if (missing) totals.missing += 1;
      else totals.blobBytes += file.bytes;
      yield missing ? { ...file, missing } : file;
    }
  }
  const plain = Readable.from(toLines(count.of(lines())));
  const written = await writePart(draft.folder, draft.id, draft.key, "files.list", plain, draft.signal);
  return { ...totals, part: partOf("files.list", "files", count.items, written) };
}

async function takeFile(
  archive: Archive,
  folder: string,
  source: string,
  expected: Measured,
): Promise<"gone" | "damaged" | null> {
  try {
    await archive.takeBlob(folder, source, expected);
    return null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "gone";
    if (error instanceof RangeError) return "damaged";
    throw error;
  }
}

async function* filesOf(client: pg.PoolClient): AsyncGenerator<FileLine> {
  let after: string | null = null;
  for (;;) {
    const { rows }: pg.QueryResult<FileLine> = await client.query<FileLine>(
      `select id, blob, blob_bytes as bytes, blob_sha256 as sha256 from files.files
        where $1::uuid is null or id > $1 order by id limit $2`,
      [after, FILES_PER_QUERY],
    );
    yield* rows;
    after = rows.at(-1)?.id ?? null;
    if (rows.length < FILES_PER_QUERY) return;
  }
}

/**
 * Takes the audit log's outside store: the checkpoint first, then all else, so that everything the checkpoint stands
 * for is in the backup, and at most more. Null when there is no store yet.
 */
async function copyAudit(deps: CollectDeps, draft: Draft) {
  const note = await readFile(join(deps.auditDir, "checkpoint"), "utf8").catch(() => null);
  if (note === null) return null;
  const taken = new Map<string, AuditLine>();
  await takeAuditFile(deps, draft, join(deps.auditDir, "checkpoint"), taken);
  for (let walk = 1; !(await walkAudit(deps, draft, taken)); walk++) {
    if (walk === MAX_AUDIT_WALKS) throw new RangeError("the audit store does not stand still");
  }
  const lines = [...taken.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  const plain = Readable.from(toLines(asAsync(lines)));
  const written = await writePart(draft.folder, draft.id, draft.key, "audit.list", plain, draft.signal);
  return {
    checkpoint: treeSizeOf(note),
    blobBytes: lines.reduce((sum, line) => sum + line.bytes, 0),
    part: partOf("audit.list", "audit", lines.length, written),
  };
}

/** False when a file vanished while it was walked. */
async function walkAudit(deps: CollectDeps, draft: Draft, taken: Map<string, AuditLine>): Promise<boolean> {
  let whole = true;
  for (const entry of await readdir(deps.auditDir, { recursive: true, withFileTypes: true })) {
    draft.signal.throwIfAborted();
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || taken.has(relative(deps.auditDir, path))) continue;
    whole = (await takeAuditFile(deps, draft, path, taken)) && whole;
  }
  return whole;
}

async function takeAuditFile(
  deps: CollectDeps,
  draft: Draft,
  path: string,
  taken: Map<string, AuditLine>,
): Promise<boolean> {
  try {
    const found = await deps.archive.takeBlob(draft.folder, path, null);
    const name = relative(deps.auditDir, path);
    taken.set(name, { path: name, ...found });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/** The second line of a checkpoint is the tree's size (c2sp.org/tlog-checkpoint). */
function treeSizeOf(note: string): number {
  const size = Number(note.split("\n")[1]);
  return Number.isSafeInteger(size) && size >= 0 ? size : 0;
}

function partOf(
  name: string,
  source: SourceTable | "files" | "audit",
  rows: number,
  { plain, sealed }: { plain: Measured; sealed: Measured },
): Part {
  const table = typeof source === "string" ? null : source;
  return {
    name,
    kind: typeof source === "string" ? source : source.kind,
    schema: table?.schema ?? null,
    table: table?.table ?? null,
    columns: table?.columns ?? [],
    rows,
    bytes: plain.bytes,
    sha256: plain.sha256,
    sealedBytes: sealed.bytes,
    sealedSha256: sealed.sha256,
  };
}

async function* asAsync<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}
