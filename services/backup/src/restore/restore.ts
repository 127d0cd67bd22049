import { type Actor, auditEvent, type NewEvent, type Role } from "@medvault/contracts";
import type { Migration } from "@medvault/postgres";
import { BackupRefused } from "../backup/backup.errors.ts";
import type { AppliedMigration } from "../backup/manifest.ts";
import { RestoreFailed } from "./restore.errors.ts";

/** What is put back in place. Identity (auth) and the audit log are never rolled back (ARCHITECTURE.md, "Restore"). */
export const RESTORED = ["records", "files"] as const;
export type RestoredService = (typeof RESTORED)[number];

/** A restore that this process has taken on. */
export interface RestoreTask {
  id: string;
  /** Names the schemas that it makes. */
  n: number;
  backupId: string;
  requestedBy: string;
  requestedRole: string;
  requestId: string | null;
  traceparent: string | null;
}

/** The schemas of one restore: what is built, what the live one becomes, and where keysets are staged. */
export function schemasOf(service: RestoredService, n: number) {
  return { scratch: `${service}_restore_${n}`, old: `${service}_old_${n}`, keys: `${service}_keys_${n}` };
}

/** Every schema name that a restore may have left, with its `n`. */
export const LEFTOVER_SCHEMA = "^(records|files)_(restore|old|keys)_([0-9]+)$";

/**
 * The last migration that the backup had, which this code must know, unchanged and in the same order. Throws
 * `BackupRefused` backup_newer_than_code or migrations_differ.
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
 * The tables in an order in which every row finds what it refers to. A table that refers to itself is no obstacle:
 * Postgres checks a COPY's references at its end. Throws `RestoreFailed` tables_in_a_circle.
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

/** The job's events stand in the name of who asked for the restore, under that request's id. */
export function restoredEvent(task: RestoreTask, details: Record<string, number>): NewEvent {
  return eventOf(task, { type: "medvault.backup.backup.restored.v1", details });
}

/** `refused`: the backup is not what was written or does not fit; else it failed. Nothing was changed either way. */
export function failedEvent(task: RestoreTask, reason: string, refused: boolean): NewEvent {
  const verb = refused ? "refused" : "restored";
  return eventOf(task, { type: `medvault.backup.backup.${verb}.v1`, outcome: "failure", reason });
}

function eventOf(
  task: RestoreTask,
  event: { type: string; outcome?: "failure"; reason?: string; details?: Record<string, number> },
): NewEvent {
  const made = auditEvent(requesterOf(task), {
    ...event,
    subject: `backup/${task.backupId}`,
    action: "backup:restore",
    details: { ...event.details, restoreId: task.id },
  });
  // Where they asked from stands in the event of their request.
  return { ...made, requestId: task.requestId, data: { ...made.data, from: null } };
}

function requesterOf(task: RestoreTask): Actor {
  return {
    id: task.requestedBy,
    role: task.requestedRole as Role,
    sessionId: null,
    permissions: new Set(),
    authTime: 0,
    amr: [],
    ip: "",
    userAgent: "",
    requestId: task.requestId ?? "",
    purpose: null,
    traceparent: task.traceparent,
  };
}
