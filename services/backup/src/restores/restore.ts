import type { RestoreChanges } from "@medvault/contracts";
import type { Migration } from "@medvault/postgres";
import { BackupRefused } from "../archive/archive.errors.ts";
import type { AppliedMigration } from "../archive/manifest.ts";
import { RestoreFailed } from "./restore.errors.ts";

/** What is put back: never identity (auth) or the audit log (ARCHITECTURE.md, "Restore"). */
export const RESTORED = ["records", "files"] as const;
export type RestoredService = (typeof RESTORED)[number];

/** A preview does all but the fence and the swap. */
export type RestoreKind = "restore" | "preview";

/** A request to put a backup back, and what came of it. */
export interface Restore {
  id: string;
  backupId: string;
  kind: RestoreKind;
  state: "requested" | "running" | "complete" | "failed";
  requestedAt: Date;
  finishedAt: Date | null;
  error: string | null;
  safetyBackupId: string | null;
  changes: RestoreChanges | null;
}

/** A restore that this process has taken on. */
export interface RestoreTask {
  id: string;
  /** Names the schemas that it makes. */
  n: number;
  backupId: string;
  kind: RestoreKind;
  withoutSafetyBackup: boolean;
  requestedBy: string;
  requestedRole: string;
  requestId: string | null;
  traceparent: string | null;
}

/** The schemas of one restore: what is built, what the live one becomes, staged keysets. */
export function schemasOf(service: RestoredService, n: number) {
  return { scratch: `${service}_restore_${n}`, old: `${service}_old_${n}`, keys: `${service}_keys_${n}` };
}

/** Every schema name that a restore may have left, with its `n`. */
export const LEFTOVER_SCHEMA = "^(records|files)_(restore|old|keys)_([0-9]+)$";

/**
 * The last migration that the backup had, which this code must know, unchanged and in the same
 * order. Throws `BackupRefused` backup_newer_than_code or migrations_differ.
 */
export function lastMigration(applied: readonly AppliedMigration[], known: readonly Migration[]): string {
  for (const [place, { name, checksum }] of applied.entries()) {
    if (!known.some((migration) => migration.name === name))
      throw new BackupRefused("backup_newer_than_code");
    if (known[place]?.name !== name || known[place].checksum !== checksum) {
      throw new BackupRefused("migrations_differ");
    }
  }
  const last = applied.at(-1);
  if (!last) throw new BackupRefused("migrations_differ");
  return last.name;
}

/**
 * The tables in an order in which every row finds what it refers to. A table that refers to itself
 * is no obstacle: Postgres checks a COPY's references at its end. Throws `RestoreFailed`
 * tables_in_a_circle.
 */
export function loadOrder(
  tables: readonly string[],
  references: readonly { table: string; refersTo: string }[],
): string[] {
  const ordered: string[] = [];
  const left = new Set(tables);
  while (left.size > 0) {
    const ready = [...left].filter(
      (table) =>
        !references.some(
          (edge) => edge.table === table && edge.refersTo !== table && left.has(edge.refersTo),
        ),
    );
    if (ready.length === 0) throw new RestoreFailed("tables_in_a_circle");
    for (const table of ready.sort()) {
      ordered.push(table);
      left.delete(table);
    }
  }
  return ordered;
}
