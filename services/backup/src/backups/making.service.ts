import { type Actor, newId } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction, type Tx } from "@medvault/postgres";
import { BackupRefused } from "../archive/archive.errors.ts";
import { beginDraft, publishDraft, removeBackup } from "../archive/archive.store.ts";
import { checkBackup } from "../archive/check.service.ts";
import { openBackup, writeManifest } from "../archive/manifest.store.ts";
import { newBackupKey } from "../archive/manifest.ts";
import type { MakingContext } from "../context.ts";
import { surveyKeyset } from "../keysets/keyset.service.ts";
import { hashesOf, noteTally } from "../keysets/keyset.store.ts";
import type { Tally } from "../keysets/tally.ts";
import { Progress } from "../work/progress.ts";
import { THIS_RUNNER, whileBeating } from "../work/runner.ts";
import { BackupRunning } from "./backup.errors.ts";
import { backupEvent } from "./backup.events.ts";
import {
  beat,
  beginVerification,
  completeBackup,
  endVerification,
  failBackup,
  findBackup,
  insertBackup,
  takeTurn,
} from "./backup.store.ts";
import { type Contents, contentsOf, reasonOf } from "./backup.ts";
import { collect } from "./collection.service.ts";
import { noteDone } from "./schedule.store.ts";

const SOURCE = "backup";
/** Who asked, when a schedule did. */
const NOBODY = "00000000-0000-0000-0000-000000000000";

/** Makes the backup whose row is there, in its turn after the answer has left. */
export function beginMaking(context: MakingContext, actor: Actor | null, id: string): void {
  context.queue.begin(id, () =>
    whileOurs(context, id, async (work) => void (await make(context, actor, id, work))),
  );
}

/** Verifies the backup whose row says so, in its turn after the answer has left. */
export function beginVerifying(context: MakingContext, actor: Actor | null, id: string): void {
  context.queue.begin(id, () => whileOurs(context, id, (work) => verify(context, actor, id, work)));
}

/**
 * Notes a backup that is to be made here, with its event. Throws BackupRunning while one is made.
 */
export async function noteMaking(tx: Tx, actor: Actor | null, scheduled: boolean): Promise<string> {
  const id = newId();
  await insertBackup(tx, { id, requestedBy: actor?.id ?? NOBODY, scheduled }, THIS_RUNNER);
  await emit(tx, SOURCE, backupEvent(actor, "requested", id));
  return id;
}

/**
 * Notes that a whole backup is to be verified here, with its event.
 * Throws BackupRunning while another is.
 */
export async function noteVerifying(tx: Tx, id: string): Promise<void> {
  if (!(await beginVerification(tx, id, THIS_RUNNER))) throw new BackupRunning();
  await emit(tx, SOURCE, backupEvent(null, "verify_requested", id));
}

/**
 * Makes a backup in this process, before anything else is done; null when it failed. `mayBegin`
 * refuses it by throwing; a restore asks nothing, which nothing else may begin a backup beside.
 */
export async function makeBackupNow(
  context: MakingContext,
  actor: Actor | null,
  mayBegin: (tx: Tx) => Promise<void> = async () => {},
): Promise<string | null> {
  const id = await inTransaction(context.pool, async (tx) => {
    await mayBegin(tx);
    return noteMaking(tx, actor, actor === null);
  });
  return (await whileOurs(context, id, (work) => make(context, actor, id, work))) ? id : null;
}

/** Verifies a whole backup in this process. Throws BackupRunning while another is verified. */
export async function verifyNow(context: MakingContext, id: string): Promise<void> {
  await inTransaction(context.pool, async (tx) => {
    await takeTurn(tx);
    await noteVerifying(tx, id);
  });
  await whileOurs(context, id, (work) => verify(context, null, id, work));
}

/** A backup or a verification that this process is at. */
interface Underway {
  /** Aborts when the process drains, or when somebody stops this. */
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** The stable code of why it failed. */
  reasonOf(error: unknown): string;
}

async function whileOurs<T>(
  { pool, logger, queue }: MakingContext,
  id: string,
  work: (underway: Underway) => Promise<T>,
): Promise<T> {
  const cancelled = new AbortController();
  const progress = new Progress();
  const look = async () => {
    if (await beat(pool, id, THIS_RUNNER, progress)) cancelled.abort();
  };
  const underway: Underway = {
    signal: AbortSignal.any([queue.signal, cancelled.signal]),
    progress,
    reasonOf(error) {
      if (queue.signal.aborted) return "interrupted";
      return cancelled.signal.aborted ? "cancelled" : reasonOf(error);
    },
  };
  return whileBeating(look, logger, () => work(underway));
}

/** False when it failed. */
async function make(
  context: MakingContext,
  actor: Actor | null,
  id: string,
  work: Underway,
): Promise<boolean> {
  const { archiveDir, logger } = context;
  const startedAt = Date.now();
  try {
    const { contents, tally } = await write(context, id, work);
    await publishDraft(archiveDir, id);
    await complete(context, actor, id, contents, tally);
    const durationMs = Date.now() - startedAt;
    logger.info({ backupId: id, rows: contents.rows, bytes: contents.sizeBytes, durationMs }, "backup made");
    return true;
  } catch (err) {
    logger.error({ err, backupId: id }, "backup failed");
    const reason = work.reasonOf(err);
    // Not ours to remove when the row is complete after all: the answer to the commit was lost.
    if (await failMaking(context, actor, id, reason)) await removeBackup(archiveDir, id);
    return false;
  }
}

async function write(
  context: MakingContext,
  id: string,
  { signal, progress }: Underway,
): Promise<{ contents: Contents; tally: Tally }> {
  const backup = await findBackup(context.pool, id);
  if (!backup) throw new RangeError("the backup's row is gone");
  const key = newBackupKey();
  try {
    const draft = { id, key, folder: await beginDraft(context.archiveDir, id) };
    const { createdAt } = backup;
    const collecting = { ...draft, createdAt, signal, progress };
    const { manifest, files, sizeBytes } = await collect(context, collecting);
    const written = await writeManifest(context, draft, manifest);
    return {
      contents: contentsOf(manifest, written.sha256, files, sizeBytes + written.bytes),
      tally: await surveyKeyset({ ...draft, manifest }),
    };
  } finally {
    key.fill(0);
  }
}

async function complete(
  { pool }: MakingContext,
  actor: Actor | null,
  id: string,
  contents: Contents,
  tally: Tally,
): Promise<void> {
  await inTransaction(pool, async (tx) => {
    const completed = await completeBackup(tx, id, THIS_RUNNER, contents);
    if (!completed) throw new RangeError("the backup is not ours");
    if (completed.scheduled) await noteDone(tx, "backup");
    await noteTally(tx, id, tally);
    await emit(tx, SOURCE, backupEvent(actor, "created", id, { details: { ...contents } }));
  });
}

async function verify(
  context: MakingContext,
  actor: Actor | null,
  id: string,
  work: Underway,
): Promise<void> {
  const { pool, logger } = context;
  try {
    const { sizeBytes } = (await findBackup(pool, id)) ?? {};
    work.progress.expect(sizeBytes ?? 0);
    const hashes = (await hashesOf(pool, id)) ?? { manifestSha256: "", keysetSha256: null };
    const opened = await openBackup(context, id, hashes);
    await checkBackup(opened, work).finally(() => opened.key.fill(0));
    await endVerifying(context, actor, id, null);
  } catch (err) {
    if (!(err instanceof BackupRefused)) logger.error({ err, backupId: id }, "verification failed");
    await endVerifying(context, actor, id, work.reasonOf(err));
  }
}

/** Fails a backup that is being made, for a stable code. False when it no longer is. */
export function failMaking(
  { pool }: MakingContext,
  actor: Actor | null,
  id: string,
  reason: string,
): Promise<boolean> {
  return inTransaction(pool, async (tx) => {
    const failed = await failBackup(tx, id, reason);
    if (!failed) return false;
    if (failed.scheduled && reason === "cancelled") await noteDone(tx, "backup");
    await emit(tx, SOURCE, backupEvent(actor, "created", id, { outcome: "failure", reason }));
    return true;
  });
}

/** Ends a verification that is under way, with a stable code for what it found or null. */
export async function endVerifying(
  { pool }: MakingContext,
  actor: Actor | null,
  id: string,
  error: string | null,
): Promise<void> {
  await inTransaction(pool, async (tx) => {
    if (!(await endVerification(tx, id, error))) return;
    // A schedule's: one that was cut off is due again.
    if (actor === null && error !== "interrupted") await noteDone(tx, "verification");
    const failure = error === null ? {} : { outcome: "failure" as const, reason: error };
    await emit(tx, SOURCE, backupEvent(actor, "verified", id, failure));
  });
}
