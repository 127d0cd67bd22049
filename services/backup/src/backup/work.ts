import type { Actor } from "@medvault/contracts";
import { type Keyring, signingKey } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import type { Logger } from "@medvault/service-kit";
import { renewKeysets, surveyKeyset } from "../keysets/keyset.service.ts";
import { hashesOf, noteTally } from "../keysets/keyset.store.ts";
import type { Tally } from "../keysets/keyset.ts";
import { failGoneRestores } from "../restore/restore.service.ts";
import { BackupRefused } from "./backup.errors.ts";
import {
  beat,
  completeBackup,
  endDeletion,
  endVerification,
  failBackup,
  findBackup,
  listRemovals,
  listWorkers,
} from "./backup.store.ts";
import { backupEvent, type Contents } from "./backup.ts";
import { checkBackup } from "./check.ts";
import { type CollectDeps, type Collected, collect } from "./collect.ts";
import { type Manifest, newBackupKey } from "./manifest.ts";
import { HEARTBEAT_MS, isGone, THIS_RUNNER } from "./runner.ts";
import { MANIFEST_KEY, openBackup, writeManifest } from "./seal-manifest.ts";

const SOURCE = "backup";

export interface WorkDeps extends CollectDeps {
  /** For rows and events; `pool` of CollectDeps is the patient one that copies. */
  rows: CollectDeps["pool"];
  keyring: Keyring;
  logger: Logger;
}

/** What goes on after an answer has left: making and verifying backups, one piece of work at a time. */
export class BackupWork {
  readonly #deps: WorkDeps;
  readonly #stopping = new AbortController();
  readonly #underWay = new Set<string>();
  #last: Promise<unknown> = Promise.resolve();
  #isRenewing = false;

  constructor(deps: WorkDeps) {
    this.#deps = deps;
  }

  startBackup(id: string, actor: Actor): void {
    this.#underWay.add(id);
    this.exclusively(() => this.#whileBeating(id, () => this.#makeBackup(id, actor))).catch(logged);
  }

  startVerification(id: string, actor: Actor): void {
    this.#underWay.add(id);
    this.exclusively(() => this.#whileBeating(id, () => this.#verify(id, actor))).catch(logged);
  }

  /** Runs `work` after all that was asked for before it; blobs are never swept while one is being copied. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch((err: unknown) => this.#deps.logger.error({ err }, "background work failed"));
    return turn;
  }

  /** Ends what is under way, which then counts as failed. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#last;
  }

  /**
   * Cleans up after processes that were killed: what they were making is failed and its files go; what was being
   * removed is removed. A directory that no row knows is left alone: it may be all that is left of a lost database.
   */
  async recover(): Promise<void> {
    const { rows, archive } = this.#deps;
    for (const { id, runner, silentMs } of await listWorkers(rows)) {
      // One's own, and yet not under way: its end could not be written down, the database being away.
      const forgotten = runner === THIS_RUNNER && !this.#underWay.has(id);
      if (!forgotten && !isGone(runner, silentMs)) continue;
      await this.#fail(id, null, "interrupted");
      await this.#endVerification(id, null, "interrupted");
    }
    await failGoneRestores(rows);
    await this.exclusively(async () => {
      for (const { id, state } of await listRemovals(rows)) {
        if (await archive.holds(id)) await archive.remove(id);
        if (state === "deleting") await endDeletion(rows, id);
      }
    });
  }

  async #makeBackup(id: string, actor: Actor): Promise<void> {
    const { archive, logger } = this.#deps;
    const startedAt = Date.now();
    try {
      const { contents, tally } = await this.#write(id);
      await archive.publish(id);
      await this.#complete(id, actor, contents, tally);
      const { rows, sizeBytes } = contents;
      logger.info(
        { backupId: id, rows, bytes: sizeBytes, durationMs: Date.now() - startedAt },
        "backup made",
      );
    } catch (err) {
      logger.error({ err, backupId: id }, "backup failed");
      // Not ours to remove when the row is complete after all: the commit went through and its answer was lost.
      const failed = await this.#fail(
        id,
        actor,
        this.#stopping.signal.aborted ? "interrupted" : reasonOf(err),
      );
      if (failed) await archive.remove(id);
    }
  }

  async #write(id: string): Promise<{ contents: Contents; tally: Tally }> {
    const { rows, keyring, archive } = this.#deps;
    const backup = await findBackup(rows, id);
    if (!backup) throw new RangeError("the backup's row is gone");
    const folder = await archive.begin(id);
    const key = newBackupKey();
    try {
      const { signal } = this.#stopping;
      const collected = await collect(this.#deps, { id, createdAt: backup.createdAt, folder, key, signal });
      const signer = await signingKey(rows, keyring, MANIFEST_KEY);
      const manifest = await writeManifest(folder, collected.manifest, key, keyring, signer);
      const contents = contentsOf(collected, manifest.sha256, collected.sizeBytes + manifest.bytes);
      return { contents, tally: await surveyKeyset({ id, folder, key, manifest: collected.manifest }) };
    } finally {
      key.fill(0);
    }
  }

  async #complete(id: string, actor: Actor, contents: Contents, tally: Tally): Promise<void> {
    await inTransaction(this.#deps.rows, async (tx) => {
      if (!(await completeBackup(tx, id, THIS_RUNNER, contents)))
        throw new RangeError("the backup is not ours");
      await noteTally(tx, id, tally);
      const { manifestSha256, sizeBytes, tables, rows, files, filesMissing, auditCheckpoint } = contents;
      const details = { manifestSha256, sizeBytes, tables, rows, files, filesMissing, auditCheckpoint };
      await emit(tx, SOURCE, backupEvent(actor, "created", { backupId: id, details }));
    });
  }

  /** Renews keysets of kept backups whose versions were closed. Asked again while it is under way, it does nothing. */
  async renewKeysets(): Promise<void> {
    if (this.#isRenewing) return;
    this.#isRenewing = true;
    const { rows: pool, keyring, archive, logger } = this.#deps;
    await this.exclusively(() =>
      renewKeysets({ pool, keyring, archive, logger, signal: this.#stopping.signal }),
    ).finally(() => {
      this.#isRenewing = false;
    });
  }

  #fail(id: string, actor: Actor | null, reason: string): Promise<boolean> {
    return inTransaction(this.#deps.rows, async (tx) => {
      if (!(await failBackup(tx, id, reason))) return false;
      await emit(tx, SOURCE, backupEvent(actor, "created", { backupId: id, outcome: "failure", reason }));
      return true;
    });
  }

  async #verify(id: string, actor: Actor): Promise<void> {
    const { rows, keyring, archive, logger } = this.#deps;
    try {
      const folder = archive.folderOf(id);
      const hashes = { manifestSha256: "", keysetSha256: null, ...(await hashesOf(rows, id)) };
      const opened = await openBackup(rows, keyring, folder, id, hashes);
      await checkBackup(archive, opened, this.#stopping.signal).finally(() => opened.key.fill(0));
      await this.#endVerification(id, actor, null);
    } catch (err) {
      if (!(err instanceof BackupRefused)) logger.error({ err, backupId: id }, "verification failed");
      await this.#endVerification(id, actor, this.#stopping.signal.aborted ? "interrupted" : reasonOf(err));
    }
  }

  async #endVerification(id: string, actor: Actor | null, error: string | null): Promise<void> {
    await inTransaction(this.#deps.rows, async (tx) => {
      if (!(await endVerification(tx, id, error))) return;
      const failure = error === null ? {} : { outcome: "failure" as const, reason: error };
      await emit(tx, SOURCE, backupEvent(actor, "verified", { backupId: id, ...failure }));
    });
  }

  async #whileBeating(id: string, work: () => Promise<void>): Promise<void> {
    const { rows, logger } = this.#deps;
    const timer = setInterval(() => {
      beat(rows, id, THIS_RUNNER).catch((err: unknown) => logger.warn({ err }, "heartbeat failed"));
    }, HEARTBEAT_MS);
    await work().finally(() => {
      clearInterval(timer);
      this.#underWay.delete(id);
    });
  }
}

/** `exclusively` has logged it. */
function logged(): void {}

function contentsOf(collected: Collected, manifestSha256: string, sizeBytes: number): Contents {
  const tables = collected.manifest.parts.filter((part) => part.kind === "table");
  return {
    manifestSha256,
    sizeBytes,
    tables: tables.length,
    rows: rowsOf(tables),
    files: collected.files,
    filesMissing: collected.manifest.filesMissing,
    auditCheckpoint: collected.manifest.auditCheckpoint,
  };
}

function rowsOf(parts: Manifest["parts"]): number {
  return parts.reduce((sum, part) => sum + part.rows, 0);
}

/** A stable code; what else went wrong is in the log alone. */
function reasonOf(error: unknown): string {
  if (error instanceof BackupRefused) return error.reason;
  const { code } = error as { code?: unknown };
  if (code === "ENOSPC" || code === "EDQUOT") return "disk_full";
  return code === "unavailable" ? "database_unavailable" : "unexpected";
}
