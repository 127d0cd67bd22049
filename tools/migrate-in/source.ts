// What is moved in, as rows of tables: a dump of SQL, a database of SQLite, CSV, or a folder of CSV.
import { createReadStream } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import path from "node:path";
import { createGunzip } from "node:zlib";
import { UsageError } from "../lib/command.ts";
import { BOM, headerOf, nextLine } from "./csv.ts";
import { SourceRefused, type SourceRow } from "./row.ts";
import { columnFault, kindOf, SqlUnits } from "./sql.ts";
import { sqliteRows } from "./sqlite.ts";
import { unitsOf } from "./unit.ts";

const CHUNK_BYTES = 256 * 1024;
const HEAD_CHARS = 8_192;
const TAIL_CHARS = 4_096;
const SQLITE_MAGIC = "SQLite format 3\0";
const GZIP_MAGIC = "\x1f\x8b";

interface Part {
  readonly file: string;
  readonly kind: "sql" | "sqlite" | "csv";
  readonly bytes: number;
  readonly isGzip: boolean;
}

/** A source that can be read from its beginning as often as it takes. */
export interface Source {
  readonly bytes: number;
  /** Every row of these tables, file after file. Throws SourceRefused. */
  rows(tables: ReadonlySet<string>, onBytes: (read: number) => void): AsyncGenerator<SourceRow, void>;
}

export interface SourceOptions {
  readonly delimiter: string;
  /** The table that a single CSV is, whatever its name. */
  readonly onlyTable: string | null;
}

/** Throws UsageError for what is not there, or is none of these. */
export async function openSource(named: string, options: SourceOptions): Promise<Source> {
  const found = await stat(named).catch(() => null);
  if (!found) throw new UsageError(`there is no ${named}.`);
  const files = found.isDirectory()
    ? (await readdir(named)).filter((name) => /\.csv(\.gz)?$/i.test(name)).sort()
    : [""];
  if (files.length === 0) throw new UsageError(`there is no .csv in ${named}; name a dump by its file.`);
  const parts = await Promise.all(files.map((name) => partOf(path.join(named, name))));
  const isOnly = parts.length === 1;
  return {
    bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
    async *rows(tables, onBytes) {
      let before = 0;
      for (const part of parts) {
        const told = (read: number) => onBytes(before + read);
        if (part.kind === "sqlite") yield* sqliteRows(part.file, tables);
        else if (part.kind === "sql") yield* dumpRows(part, tables, told);
        else {
          const table = (isOnly ? options.onlyTable : null) ?? path.basename(part.file).replace(/\..*$/, "");
          if (tables.has(table)) yield* csvRows(part, table, options.delimiter, told);
        }
        before += part.bytes;
        onBytes(before);
      }
    },
  };
}

async function partOf(file: string): Promise<Part> {
  const { size } = await stat(file);
  const handle = await open(file, "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(16), 0, 16, 0);
    const magic = buffer.toString("latin1", 0, bytesRead);
    if (/^(\xff\xfe|\xfe\xff)/.test(magic))
      throw new UsageError(`${file} is UTF-16: save it as UTF-8, and try again.`);
    const isCsv = /\.csv(\.gz)?$/i.test(file);
    const kind = magic === SQLITE_MAGIC ? "sqlite" : isCsv ? "csv" : "sql";
    return { file, kind, bytes: size, isGzip: magic.startsWith(GZIP_MAGIC) };
  } finally {
    await handle.close();
  }
}

async function* chunksOf({ file, isGzip }: Part, onBytes: (read: number) => void): AsyncGenerator<string> {
  const stream = createReadStream(file, { highWaterMark: CHUNK_BYTES });
  const plain = isGzip ? stream.pipe(createGunzip({ chunkSize: CHUNK_BYTES })) : stream;
  if (isGzip) stream.once("error", (error) => plain.destroy(error));
  let isFirst = true;
  try {
    for await (const chunk of plain as AsyncIterable<Buffer>) {
      onBytes(stream.bytesRead);
      const text = chunk.toString("latin1");
      yield isFirst && text.startsWith(BOM) ? text.slice(BOM.length) : text;
      isFirst = false;
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!code?.startsWith("Z_")) throw error;
    throw new SourceRefused(`${path.basename(file)} was cut or is damaged: its gzip does not open.`);
  } finally {
    stream.destroy();
  }
}

async function* dumpRows(part: Part, tables: ReadonlySet<string>, onBytes: (read: number) => void) {
  let head = "";
  let tail = "";
  // One statement is more than a chunk now and then; the head and the end are looked at by the way.
  const watched = async function* () {
    for await (const chunk of chunksOf(part, onBytes)) {
      if (head.length < HEAD_CHARS) head += chunk.slice(0, HEAD_CHARS);
      tail = (tail + chunk).slice(-TAIL_CHARS);
      yield chunk;
    }
  };
  const chunks = watched();
  const first = await chunks.next();
  const { dialect, ending } = kindOf(head);
  const all = async function* () {
    if (!first.done) yield first.value;
    yield* chunks;
  };
  const units = new SqlUnits(dialect);
  let isAny = false;
  for await (const unit of unitsOf(all(), units.next)) {
    if (unit === "other") continue;
    isAny = true;
    if (tables.has(unit.table)) yield unit;
  }
  const name = path.basename(part.file);
  if (ending && !ending.test(tail))
    throw new SourceRefused(`${name} was cut: a whole dump says at its end that it is complete.`);
  if (!isAny) throw new SourceRefused(`${name} holds no rows: it is no dump with INSERT or COPY statements.`);
}

async function* csvRows(part: Part, table: string, delimiter: string, onBytes: (read: number) => void) {
  const name = path.basename(part.file);
  let columns: string[] | null = null;
  let number = 0;
  for await (const line of unitsOf(chunksOf(part, onBytes), (window) => nextLine(window, delimiter))) {
    if (columns === null) {
      columns = headerOf(line, name);
      continue;
    }
    const { cells, isLast } = line;
    if (isLast && cells.length < columns.length)
      throw new SourceRefused(`${name} was cut: its last line ends before its last column.`);
    const fault =
      line.fault ?? (cells.length === columns.length ? undefined : columnFault(cells.length, columns.length));
    yield { table, number: ++number, columns, cells, ...(fault && { fault }) };
  }
  if (columns === null) headerOf(null, name);
}
