import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "./errors.ts";
import { MigrationInvalid } from "./migration.errors.ts";

/** A folder of numbered SQL files. `prefix` names a lib's history: "messaging/0001_x.sql". */
export interface MigrationSource {
  prefix: string;
  dir: string;
}

export interface Migration {
  /** "0001_patients.sql", or "<prefix>/0001_outbox.sql". */
  name: string;
  prefix: string;
  number: number;
  sql: string;
  /** SHA-256 of the file's bytes, hex. */
  checksum: string;
}

const FILE_NAME = /^(\d{4})_[a-z0-9_]+\.sql$/;
// Quoted strings and names, dollar bodies and comments: a keyword inside is no statement.
const OPAQUE = /'(?:[^']|'')*'|"[^"]*"|\$([A-Za-z_]*)\$[\s\S]*?\$\1\$|--[^\n]*|\/\*[\s\S]*?\*\//g;
const TRANSACTION_CONTROL =
  /^(begin|start\s+transaction|commit|end|rollback|abort|savepoint|release|prepare\s+transaction)\b/i;

/**
 * The migrations of the sources, in the order in which they are applied: source by source, by
 * number. A folder that is not there has none. Throws MigrationInvalid for a name that is no
 * `0001_name.sql`, a number used twice, or a statement that would end the file's transaction.
 */
export async function readMigrations(sources: readonly MigrationSource[]): Promise<Migration[]> {
  const found: Migration[] = [];
  for (const source of sources) found.push(...(await readSource(source)));
  return found;
}

async function readSource({ prefix, dir }: MigrationSource): Promise<Migration[]> {
  const files = (await listFiles(dir)).filter((file) => file.endsWith(".sql")).sort();
  const seen = new Set<number>();
  const found: Migration[] = [];
  for (const file of files) {
    const number = Number(FILE_NAME.exec(file)?.[1] ?? Number.NaN);
    if (Number.isNaN(number)) throw new MigrationInvalid(file, "is not named like 0001_name.sql");
    if (seen.has(number)) throw new MigrationInvalid(file, "has a number that another file has too");
    seen.add(number);
    const bytes = await readFile(join(dir, file));
    const sql = bytes.toString("utf8");
    if (controlsTransaction(sql)) throw new MigrationInvalid(file, "must not begin or end a transaction");
    const name = prefix === "" ? file : `${prefix}/${file}`;
    found.push({ name, prefix, number, sql, checksum: createHash("sha256").update(bytes).digest("hex") });
  }
  return found;
}

async function listFiles(dir: string): Promise<string[]> {
  return readdir(dir).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  });
}

function controlsTransaction(sql: string): boolean {
  const statements = sql.replace(OPAQUE, " ").split(";");
  return statements.some((statement) => TRANSACTION_CONTROL.test(statement.trim()));
}
