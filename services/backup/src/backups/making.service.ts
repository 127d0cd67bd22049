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

const SOURCE = "backup";
/** Who asked, when a schedule did. */
const NOBODY = "00000000-0000-0000-0000-000000000000";

/** Makes the backup whose row is there, in its turn after the answer has left. */
export function beginMaking(context: MakingContext, actor: Actor, id: string): void {
  context.queue.begin(id, () => whileOurs(context, id, async () => void (await make(context, actor, id))));
}

/** Verifies the backup whose row says so, in its turn after the answer has left. */
export function beginVerifying(context: MakingContext, actor: Actor, id: string): void {
  context.queue.begin(id, () => whileOurs(context, id, () => verify(context, actor, id)));
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
  const id = newId();
  await inTransaction(context.pool, async (tx) => {
    await mayBegin(tx);
    await insertBackup(tx, id, actor?.id ?? NOBODY, THIS_RUNNER);
    await emit(tx, SOURCE, backupEvent(actor, "requested", id));
  });
  return (await whileOurs(context, id, () => make(context, actor, id))) ? id : null;
}

/** Verifies a whole backup in this process. Throws BackupRunning while another is verified. */
export async function verifyNow(context: MakingContext, id: string): Promise<void> {
  await inTransaction(context.pool, async (tx) => {
    await takeTurn(tx);
    if (!(await beginVerification(tx, id, THIS_RUNNER))) throw new BackupRunning();
    await emit(tx, SOURCE, backupEvent(null, "verify_requested", id));
  });
  await whileOurs(context, id, () => verify(context, null, id));
}

function whileOurs<T>({ pool, logger }: MakingContext, id: string, work: () => Promise<T>): Promise<T> {
  return whileBeating(() => beat(pool, id, THIS_RUNNER), logger, work);
}

/** False when it failed. */
async function make(context: MakingContext, actor: Actor | null, id: string): Promise<boolean> {
  const { archiveDir, logger, queue } = context;
  const startedAt = Date.now();
  try {
    const { contents, tally } = await write(context, id);
    await publishDraft(archiveDir, id);
    await complete(context, actor, id, contents, tally);
    const durationMs = Date.now() - startedAt;
    logger.info({ backupId: id, rows: contents.rows, bytes: contents.sizeBytes, durationMs }, "backup made");
    return true;
  } catch (err) {
    logger.error({ err, backupId: id }, "backup failed");
    const reason = queue.signal.aborted ? "interrupted" : reasonOf(err);
    // Not ours to remove when the row is complete after all: the answer to the commit was lost.
    if (await failMaking(context, actor, id, reason)) await removeBackup(archiveDir, id);
    return false;
  }
}

async function write(context: MakingContext, id: string): Promise<{ contents: Contents; tally: Tally }> {
  const backup = await findBackup(context.pool, id);
  if (!backup) throw new RangeError("the backup's row is gone");
  const key = newBackupKey();
  try {
    const draft = { id, key, folder: await beginDraft(context.archiveDir, id) };
    const { createdAt } = backup;
    const { signal } = context.queue;
    const { manifest, files, sizeBytes } = await collect(context, { ...draft, createdAt, signal });
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
    if (!(await completeBackup(tx, id, THIS_RUNNER, contents)))
      throw new RangeError("the backup is not ours");
    await noteTally(tx, id, tally);
    await emit(tx, SOURCE, backupEvent(actor, "created", id, { details: { ...contents } }));
  });
}

async function verify(context: MakingContext, actor: Actor | null, id: string): Promise<void> {
  const { pool, logger, queue } = context;
  try {
    const hashes = (await hashesOf(pool, id)) ?? { manifestSha256: "", keysetSha256: null };
    const opened = await openBackup(context, id, hashes);
    await checkBackup(opened, queue.signal).finally(() => opened.key.fill(0));
    await endVerifying(context, actor, id, null);
  } catch (err) {
    if (!(err instanceof BackupRefused)) logger.error({ err, backupId: id }, "verification failed");
    await endVerifying(context, actor, id, queue.signal.aborted ? "interrupted" : reasonOf(err));
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
    if (!(await failBackup(tx, id, reason))) return false;
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
    const failure = error === null ? {} : { outcome: "failure" as const, reason: error };
    await emit(tx, SOURCE, backupEvent(actor, "verified", id, failure));
  });
}
