import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { migrateService, readMigrations, serviceMigrations, sysSchemaOf } from "@medvault/postgres";
import type pg from "pg";
import { BackupRefused } from "../archive/archive.errors.ts";
import type { OpenedBackup } from "../archive/manifest.store.ts";
import type { Part } from "../archive/manifest.ts";
import { readPart } from "../archive/part.store.ts";
import { RestoreFailed } from "./restore.errors.ts";
import { lastMigration, loadOrder, type RestoredService, schemasOf } from "./restore.ts";
import {
  countRows,
  finishCopy,
  prepareForCopy,
  referencesIn,
  stageTable,
  startCopyIn,
  tablesOf,
} from "./schema.store.ts";

/**
 * Builds a service's schema beside the live one: made by migrations at the backup's version, filled
 * by COPY, counted, migrated forward to this code's version. Returns how many rows it holds. Throws
 * `BackupRefused` or `RestoreFailed`.
 */
export async function loadSchema(
  client: pg.PoolClient,
  backup: OpenedBackup,
  service: RestoredService,
  n: number,
): Promise<number> {
  const { scratch } = schemasOf(service, n);
  const known = await readMigrations(serviceMigrations(service).business);
  const upTo = lastMigration(backup.manifest.migrations[service] ?? [], known);
  await migrateService(client, service, { schema: scratch, upTo });
  const tables = await tablesOf(client, scratch);
  const parts = partsOf(backup, service, tables);
  await prepareForCopy(client, scratch, tables);
  for (const table of loadOrder(tables, await referencesIn(client, scratch))) {
    const part = parts.get(table);
    if (part) await copyPart(client, backup, part, scratch);
  }
  await finishCopy(client, scratch, tables);
  await migrateService(client, service, { schema: scratch });
  return [...parts.values()].reduce((sum, part) => sum + part.rows, 0);
}

/** One part for each table of that version, no more and no fewer. */
function partsOf(backup: OpenedBackup, schema: string, tables: readonly string[]): Map<string, Part> {
  const parts = new Map<string, Part>();
  for (const part of backup.manifest.parts) {
    if (part.kind === "table" && part.schema === schema && part.table) parts.set(part.table, part);
  }
  if (tables.some((table) => !parts.has(table))) throw new BackupRefused("part_missing");
  if (parts.size !== tables.length) throw new RestoreFailed("table_unknown");
  return parts;
}

async function copyPart(
  client: pg.PoolClient,
  backup: OpenedBackup,
  part: Part,
  schema: string,
): Promise<void> {
  const table = part.table ?? "";
  const plain = Readable.from(readPart(backup, part));
  await pipeline(plain, startCopyIn(client, schema, table, part.columns));
  if ((await countRows(client, schema, table)) !== part.rows) throw new RestoreFailed("rows_differ");
}

/** Stages a service's key tables beside the live ones, for `insertMissing`. */
export async function stageKeys(
  client: pg.PoolClient,
  backup: OpenedBackup,
  service: RestoredService,
  n: number,
): Promise<Part[]> {
  const sys = sysSchemaOf(service);
  const parts = backup.manifest.parts.filter((part) => part.kind === "keys" && part.schema === sys);
  for (const part of parts) {
    const { keys } = schemasOf(service, n);
    await stageTable(client, keys, sys, part.table ?? "");
    await copyPart(client, backup, part, keys);
  }
  return parts;
}
