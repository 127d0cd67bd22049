import {
  type Actor,
  type BackupView,
  decodeCursor,
  encodeCursor,
  Id,
  NotFound,
  newId,
  type PageQuery,
} from "@medvault/contracts";
import { idempotent } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import { inTransaction, type Tx } from "@medvault/postgres";
import type { WriteRequest } from "@medvault/service-kit";
import { removeBackup } from "../archive/archive.store.ts";
import type { Context } from "../context.ts";
import { RestoreRunning } from "../restores/restore.errors.ts";
import { insertRestore, latestRestores } from "../restores/restore.store.ts";
import { THIS_RUNNER } from "../work/runner.ts";
import { BackupNotComplete, BackupRunning } from "./backup.errors.ts";
import { backupEvent } from "./backup.events.ts";
import {
  beginDeletion,
  beginVerification,
  endDeletion,
  findBackup,
  insertBackup,
  listBackups,
  underWay,
} from "./backup.store.ts";
import { viewOf } from "./backup.ts";
import { beginMaking, beginVerifying } from "./making.service.ts";

const SOURCE = "backup";

/** Starts a backup, which goes on after the answer. @throws BackupRunning, RestoreRunning */
export async function startBackup(context: Context, actor: Actor, write: WriteRequest): Promise<BackupView> {
  const made = newId();
  const { id, isReplayed } = await once(context, actor, write, made, async (tx) => {
    if ((await underWay(tx)).restore) throw new RestoreRunning();
    await insertBackup(tx, made, actor.id, THIS_RUNNER);
    await emit(tx, SOURCE, backupEvent(actor, "requested", made));
  });
  if (!isReplayed) beginMaking(context, actor, id);
  return await viewById(context, id);
}

/** Backups, newest first. */
export async function listAll(
  { pool, appender }: Context,
  actor: Actor,
  { limit, cursor }: PageQuery,
): Promise<{ items: BackupView[]; nextCursor: string | null }> {
  const found = await listBackups(pool, decodeCursor(Id, cursor) ?? null, limit + 1);
  const page = found.slice(0, limit);
  const ids = page.map((backup) => backup.id);
  const restores = await latestRestores(pool, ids);
  await appender.append(backupEvent(actor, "listed", null, { details: { count: page.length } }));
  const last = page.at(-1);
  return {
    items: page.map((backup) => viewOf(backup, restores.get(backup.id) ?? null)),
    nextCursor: last && found.length > limit ? encodeCursor(last.id) : null,
  };
}

/** One backup. @throws NotFound */
export async function readBackup(context: Context, actor: Actor, id: string): Promise<BackupView> {
  const view = await viewById(context, id);
  await context.appender.append(backupEvent(actor, "read", view.id));
  return view;
}

/**
 * Starts a verification, which goes on after the answer.
 * @throws NotFound, BackupNotComplete, BackupRunning
 */
export async function verifyBackup(
  context: Context,
  actor: Actor,
  id: string,
  write: WriteRequest,
): Promise<BackupView> {
  await requireComplete(context, id);
  const { isReplayed } = await once(context, actor, write, id, async (tx) => {
    if (!(await beginVerification(tx, id, THIS_RUNNER))) throw new BackupRunning();
  });
  if (!isReplayed) beginVerifying(context, actor, id);
  return await viewById(context, id);
}

/** Asks the restore job for a restore. @throws BackupNotComplete, RestoreRunning, BackupRunning */
export async function requestRestore(
  context: Context,
  actor: Actor,
  id: string,
  write: WriteRequest,
): Promise<BackupView> {
  await requireComplete(context, id);
  const { isReplayed } = await once(context, actor, write, id, async (tx) => {
    if ((await underWay(tx)).backup) throw new BackupRunning();
    await insertRestore(tx, {
      id: newId(),
      backupId: id,
      requestedBy: actor.id,
      requestedRole: actor.role,
      requestId: actor.requestId,
      traceparent: actor.traceparent,
    });
    await emit(tx, SOURCE, backupEvent(actor, "restore_requested", id));
  });
  if (!isReplayed) context.wakeRestoreJob();
  return await viewById(context, id);
}

/** Removes a backup and what only it held. @throws BackupRunning while something works on it */
export async function deleteBackup(
  { pool, archiveDir, queue }: Context,
  actor: Actor,
  id: string,
): Promise<void> {
  if (!(await findBackup(pool, id))) throw new NotFound();
  await inTransaction(pool, async (tx) => {
    if (!(await beginDeletion(tx, id))) throw new BackupRunning();
    await emit(tx, SOURCE, backupEvent(actor, "deleted", id));
  });
  await queue.run(() => removeBackup(archiveDir, id));
  await endDeletion(pool, id);
}

/** Runs `begin` once per Idempotency-Key; the answer kept is only which backup it was about. */
async function once(
  { pool, keyring }: Context,
  actor: Actor,
  write: WriteRequest,
  id: string,
  begin: (tx: Tx) => Promise<void>,
): Promise<{ id: string; isReplayed: boolean }> {
  // No body and an empty one ask for the same.
  const request = { ...write, actorId: actor.id, body: {} };
  const { body, replayed } = await idempotent(pool, keyring, request, async (tx) => {
    await begin(tx);
    return { status: 202, body: { backupId: id } };
  });
  return { id: body.backupId, isReplayed: replayed };
}

async function requireComplete({ pool }: Context, id: string): Promise<void> {
  const backup = await findBackup(pool, id);
  if (!backup) throw new NotFound();
  if (backup.state !== "complete") throw new BackupNotComplete();
}

async function viewById({ pool }: Context, id: string): Promise<BackupView> {
  const backup = await findBackup(pool, id);
  if (!backup) throw new NotFound();
  return viewOf(backup, (await latestRestores(pool, [id])).get(id) ?? null);
}
