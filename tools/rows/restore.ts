import { type BackedUpRow, findBackedUpRow } from "@medvault/backup-service/row";
import { auditEvent, Id } from "@medvault/contracts";
import type { Keyring, SealedRow } from "@medvault/keys";
import { putBack } from "@medvault/keys/operations";
import { emit } from "@medvault/messaging";
import { inTransaction, type Tx } from "@medvault/postgres";
import { findTable, type ResealTable, tablesOf } from "../keys/tables.ts";
import { withKeyring } from "../keys/work.ts";
import { type Outcome, UsageError } from "../lib/command.ts";
import { type Installation, withPool } from "../lib/installation.ts";
import { backedUp, type Deletion, deletionIn, deletionUnderWay, lastRevision, lockRow } from "./rows.ts";
import { refuseWhatWasTaken } from "./taken.ts";

const OF_SERVICES = ["records", "files"] as const;
const POOL = { applicationName: "medvault-restore-row", max: 1 };

/** What has rows that can be put back one by one. */
export const RESTORABLE: readonly string[] = OF_SERVICES.flatMap((service) =>
  tablesOf(service).map(({ declaration }) => `${service}.${declaration.table}`),
);

/** The row is not put back, and nothing was changed; the message says why. */
class RowRefused extends Error {}

interface Asked {
  readonly backup?: string | undefined;
  readonly table?: string | undefined;
  readonly row?: string | undefined;
}

/** `restore-row --backup <id> --table <table> --row <id>` */
export async function restoreRow(
  installation: Installation,
  policyFile: string | undefined,
  asked: Asked,
): Promise<Outcome> {
  const backupId = idOf(asked.backup, "--backup");
  const id = idOf(asked.row, "--row");
  if (!asked.table || !RESTORABLE.includes(asked.table)) {
    const what = asked.table ? `${asked.table} has no rows that can be put back` : "name a --table";
    throw new UsageError(`${what}: it is one of ${RESTORABLE.join(", ")}.`);
  }
  const found = await findTable(asked.table.split(".")[1], policyFile);
  const row = await readBackup(installation, backupId, found, id);
  const deleted = () => loggedDeletion(installation, found, id);
  return withKeyring(installation, found.service, async ({ pool }, keyring) => {
    const done = await inTransaction(pool, (tx) =>
      replace(tx, keyring, found, { id, backupId, row, deleted }),
    );
    return { lines: linesOf(asked.table ?? "", id, row, done), result: { table: asked.table, id, ...done } };
  });
}

function idOf(text: string | undefined, option: string): string {
  const id = Id.safeParse(text);
  if (!id.success)
    throw new UsageError(`${option} is the id of ${option === "--row" ? "a row" : "a backup"}.`);
  return id.data.toLowerCase();
}

async function readBackup(
  installation: Installation,
  backupId: string,
  { service, table }: ResealTable,
  id: string,
): Promise<BackedUpRow> {
  const { backupsDir } = installation;
  if (!backupsDir) throw new UsageError("nothing says where the backups are: set MEDVAULT_BACKUPS_DIR.");
  const name = table.declaration.table;
  const row = await withKeyring(installation, "backup", ({ pool }, keyring) =>
    findBackedUpRow({ pool, keyring, archiveDir: backupsDir }, backupId, {
      schema: service,
      table: name,
      id,
    }),
  ).catch((error: unknown) => Promise.reject(inWords(error, backupId)));
  if (!row) throw new RowRefused(`The backup ${backupId} has no row ${id} in ${service}.${name}.`);
  return row;
}

function inWords(error: unknown, backupId: string): unknown {
  const { name, reason } = error as { name?: string; reason?: string };
  if (reason === "backup_gone") return new RowRefused(`There is no complete backup ${backupId}.`);
  if (reason === "table_unknown") return new RowRefused(`The backup ${backupId} has no such table.`);
  if (name !== "BackupRefused") return error;
  return new RowRefused(
    `The backup ${backupId} is not whole (${reason}): take another. Nothing was changed.`,
  );
}

interface Task {
  readonly id: string;
  readonly backupId: string;
  readonly row: BackedUpRow;
  /** Who deleted the row, as the audit log has it. */
  readonly deleted: () => Promise<Deletion | null>;
}

interface Done {
  readonly rev: number;
  readonly backupRev: number;
  /** What the damaged row said; null: there was none. */
  readonly damagedRev: number | null;
}

async function replace(tx: Tx, keyring: Keyring, found: ResealTable, task: Task): Promise<Done> {
  const { service, table, kind, isOfPatients } = found;
  const { id, backupId } = task;
  const live = await lockRow(tx, table.declaration, id);
  if (live?.subject_key && table.tryOpen(keyring, live as SealedRow))
    throw new RowRefused("The row that is there opens: a healthy row is never put back to what it was.");
  const row = await backedUp(tx, table.declaration, task.row.fields);
  await refuseWhatWasTaken(tx, table.declaration, row, live, async () => {
    return (await deletionUnderWay(tx, service, kind, id)) ?? task.deleted();
  });
  if (!table.tryOpen(keyring, row as SealedRow))
    throw new RowRefused(
      "The backup's row does not open with the present keys: they are other ones, or the patient's key is damaged.",
    );
  const { value } = table.reseal(keyring, row as SealedRow);
  const rev = 1 + (await lastRevision(tx, table.declaration, id, [row.rev, live?.rev ?? 0]));
  const boxSha256 = await putBack(tx, keyring, table, row.subject_key as Buffer, { ...value, rev });
  const subject = String(row[table.declaration.subject]);
  const done = { rev, backupRev: row.rev, damagedRev: live?.rev ?? null };
  await emit(
    tx,
    service,
    auditEvent(null, {
      type: `medvault.${service}.${kind}.restored.v1`,
      subject: `${kind}/${id}`,
      action: "row:restore",
      reason: "operator",
      patientIds: isOfPatients ? [subject] : [],
      details: { backupId, boxSha256, ...done },
    }),
  );
  return done;
}

function loggedDeletion(
  installation: Installation,
  { service, kind }: ResealTable,
  id: string,
): Promise<Deletion | null> {
  return withPool(installation, "audit", POOL, (pool) => deletionIn(pool, service, kind, id));
}

function linesOf(table: string, id: string, { madeAt }: BackedUpRow, done: Done): string[] {
  const { rev, backupRev, damagedRev } = done;
  const lost =
    damagedRev === null
      ? "If it was changed after that backup, those changes are lost."
      : damagedRev > backupRev
        ? `The damaged row was revision ${damagedRev}: what was changed after revision ${backupRev} is lost, but for what its versions show.`
        : "It was not changed after that backup: nothing is lost.";
  return [
    `${table} ${id} is back: it says what it said in the backup of ${madeAt} (revision ${backupRev}), as revision ${rev}.`,
    lost,
  ];
}
