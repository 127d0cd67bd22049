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
import { idempotent, probeDirectory, replayHeaders } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import { type Db, inTransaction, type Tx } from "@medvault/postgres";
import type { Answer, WriteRequest } from "@medvault/service-kit";
import { removeBackup } from "../archive/archive.store.ts";
import type { Context } from "../context.ts";
import { RestoreRunning } from "../restores/restore.errors.ts";
import { insertRestore, latestRestores } from "../restores/restore.store.ts";
import type { RestoreKind } from "../restores/restore.ts";
import { THIS_RUNNER } from "../work/runner.ts";
import { BackupNotComplete, BackupNotRunning, BackupRunning } from "./backup.errors.ts";
import { backupEvent } from "./backup.events.ts";
import {
  askToStop,
  beginDeletion,
  beginVerification,
  endDeletion,
  findBackup,
  insertBackup,
  listBackups,
  takeTurn,
  underWay,
} from "./backup.store.ts";
import { viewOf } from "./backup.ts";
import { beginMaking, beginVerifying } from "./making.service.ts";

const SOURCE = "backup";

/** A backup's view, and whether it is that of an earlier request. */
type Begun = Pick<Answer<BackupView>, "body" | "headers">;

/**
 * Starts a backup, which goes on after the answer. Throws what the store's disk throws.
 * @throws BackupRunning, RestoreRunning
 */
export async function startBackup(context: Context, actor: Actor, write: WriteRequest): Promise<Begun> {
  const made = newId();
  const { id, isFirst, headers } = await once(context, actor, write, "requested", made, async (tx) => {
    if ((await underWay(tx)).restore) throw new RestoreRunning();
    await probeDirectory(context.archiveDir); // a full one is refused now, not found out later
    await insertBackup(tx, { id: made, requestedBy: actor.id }, THIS_RUNNER);
  });
  if (isFirst) beginMaking(context, actor, id);
  return { body: await viewById(context, id), headers };
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
    items: page.map((backup) => viewOf(backup, restores.get(backup.id))),
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
): Promise<Begun> {
  const { isFirst, headers } = await once(context, actor, write, "verify_requested", id, async (tx) => {
    await requireComplete(tx, id);
    if (!(await beginVerification(tx, id, THIS_RUNNER))) throw new BackupRunning();
  });
  if (isFirst) beginVerifying(context, actor, id);
  return { body: await viewById(context, id), headers };
}

/**
 * Asks the restore job for a restore, or for a preview of it, which changes nothing.
 * @throws NotFound, BackupNotComplete, RestoreRunning, BackupRunning
 */
export async function requestRestore(
  context: Context,
  actor: Actor,
  id: string,
  write: WriteRequest,
  kind: RestoreKind,
  withoutSafetyBackup = false,
): Promise<Begun> {
  const verb = `${kind === "preview" ? "restore_preview" : "restore"}_requested` as const;
  const { isFirst, headers } = await once(context, actor, write, verb, id, async (tx) => {
    await requireComplete(tx, id);
    if ((await underWay(tx)).backup) throw new BackupRunning();
    await insertRestore(tx, {
      ...{ id: newId(), backupId: id, kind, withoutSafetyBackup },
      requestedBy: actor.id,
      requestedRole: actor.role,
      requestId: actor.requestId,
      traceparent: actor.traceparent,
    });
  });
  if (isFirst) context.wakeRestoreJob();
  return { body: await viewById(context, id), headers };
}

/**
 * Removes a backup and what only it held.
 * @throws NotFound, RestoreRunning while any restore runs, BackupRunning while it is worked on
 */
export async function deleteBackup(context: Context, actor: Actor, id: string): Promise<void> {
  await inTransaction(context.pool, async (tx) => {
    await takeTurn(tx);
    if (!(await findBackup(tx, id))) throw new NotFound();
    if ((await underWay(tx)).restore) throw new RestoreRunning();
    if (!(await beginDeletion(tx, id))) throw new BackupRunning();
    await emit(tx, SOURCE, backupEvent(actor, "deleted", id));
  });
  await removeMarked(context, id);
}

/**
 * Removes what is left of a backup that is marked for removal; if it is killed, a later process
 * does.
 */
export async function removeMarked({ pool, archiveDir, queue }: Context, id: string): Promise<void> {
  await queue.run(() => removeBackup(archiveDir, id));
  await endDeletion(pool, id);
}

/**
 * Asks for the end of a backup or a verification, which comes within some seconds: it is then
 * `failed`, with the error `cancelled`.
 * @throws NotFound, BackupNotRunning
 */
export async function cancelBackup(
  context: Context,
  actor: Actor,
  id: string,
  write: WriteRequest,
): Promise<Begun> {
  const { headers } = await once(context, actor, write, "cancel_requested", id, async (tx) => {
    if (!(await findBackup(tx, id))) throw new NotFound();
    if (!(await askToStop(tx, id))) throw new BackupNotRunning();
  });
  return { body: await viewById(context, id), headers };
}

/**
 * Runs `begin` once per Idempotency-Key, and one at a time with all that decides on backups; the
 * answer kept is only which backup it was about. Either way there is an event.
 */
async function once(
  { pool, keyring, appender }: Context,
  actor: Actor,
  write: WriteRequest,
  verb:
    | "requested"
    | "cancel_requested"
    | "verify_requested"
    | "restore_requested"
    | "restore_preview_requested",
  id: string,
  begin: (tx: Tx) => Promise<void>,
): Promise<{ id: string; isFirst: boolean; headers: Record<string, string> }> {
  // No body and an empty one ask for the same.
  const request = { ...write, actorId: actor.id, body: write.body ?? {} };
  const work = async (tx: Tx) => {
    await takeTurn(tx);
    await begin(tx);
    await emit(tx, SOURCE, backupEvent(actor, verb, id));
    return { status: 202, body: { backupId: id } };
  };
  const answer = await idempotent(pool, keyring, request, work, ({ body }) =>
    appender.append(backupEvent(actor, verb, body.backupId, { details: { replayed: true } })),
  );
  return { id: answer.body.backupId, isFirst: !answer.replayed, headers: replayHeaders(answer) };
}

async function requireComplete(db: Db, id: string): Promise<void> {
  const backup = await findBackup(db, id);
  if (!backup) throw new NotFound();
  if (backup.state !== "complete") throw new BackupNotComplete();
}

async function viewById({ pool }: Context, id: string): Promise<BackupView> {
  const backup = await findBackup(pool, id);
  if (!backup) throw new NotFound();
  return viewOf(backup, (await latestRestores(pool, [id])).get(id));
}
