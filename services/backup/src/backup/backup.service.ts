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
import { idempotent, type Keyring } from "@medvault/keys";
import { type Appender, emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import type pg from "pg";
import type { Archive } from "./archive.ts";
import { BackupNotComplete, BackupRunning, RestoreRunning } from "./backup.errors.ts";
import {
  beginDeletion,
  beginVerification,
  endDeletion,
  findBackup,
  insertBackup,
  insertRestore,
  latestRestores,
  listBackups,
  underWay,
} from "./backup.store.ts";
import { type Backup, backupEvent, viewOf } from "./backup.ts";
import { THIS_RUNNER } from "./runner.ts";
import type { BackupWork } from "./work.ts";

const SOURCE = "backup";

export interface BackupServiceDeps {
  pool: pg.Pool;
  keyring: Keyring;
  archive: Archive;
  appender: Appender;
  work: BackupWork;
  /** Tells whoever supervises this process that the restore job has something to do. */
  wakeRestoreJob: () => void;
}

/** Who asks, and the Idempotency-Key of what they ask. */
export interface Request {
  actor: Actor;
  key: string | undefined;
}

export class BackupService {
  readonly #deps: BackupServiceDeps;

  constructor(deps: BackupServiceDeps) {
    this.#deps = deps;
  }

  /** Starts a backup, which goes on after the answer. Throws `BackupRunning` or `RestoreRunning`. */
  async start(request: Request): Promise<BackupView> {
    const { pool } = this.#deps;
    const id = newId();
    const answer = await this.#once(
      request,
      "/v1/backups",
      async (tx) => {
        if ((await underWay(tx)).restore) throw new RestoreRunning();
        await insertBackup(tx, id, request.actor.id, THIS_RUNNER);
        await emit(tx, SOURCE, backupEvent(request.actor, "requested", { backupId: id }));
      },
      id,
    );
    if (!answer.replayed) this.#deps.work.startBackup(id, request.actor);
    return (await this.#view(pool, answer.backupId)) ?? notFound();
  }

  async list(actor: Actor, query: PageQuery): Promise<{ items: BackupView[]; nextCursor: string | null }> {
    const beforeId = decodeCursor(Id, query.cursor) ?? null;
    const found = await listBackups(this.#deps.pool, beforeId, query.limit + 1);
    const page = found.slice(0, query.limit);
    const restores = await latestRestores(
      this.#deps.pool,
      page.map((backup) => backup.id),
    );
    await this.#deps.appender.append(
      backupEvent(actor, "listed", { backupId: null, details: { count: page.length } }),
    );
    const last = page.at(-1);
    return {
      items: page.map((backup) => viewOf(backup, restores.get(backup.id) ?? null)),
      nextCursor: last && found.length > query.limit ? encodeCursor(last.id) : null,
    };
  }

  async describe(actor: Actor, id: string): Promise<BackupView> {
    const view = (await this.#view(this.#deps.pool, id)) ?? notFound();
    await this.#deps.appender.append(backupEvent(actor, "read", { backupId: view.id }));
    return view;
  }

  /** Starts a verification, which goes on after the answer. Throws `BackupNotComplete` or `BackupRunning`. */
  async verify(request: Request, id: string): Promise<BackupView> {
    await this.#demandComplete(id);
    const answer = await this.#once(
      request,
      `/v1/backups/${id}/verify`,
      async (tx) => {
        if (!(await beginVerification(tx, id, THIS_RUNNER))) throw new BackupRunning();
      },
      id,
    );
    if (!answer.replayed) this.#deps.work.startVerification(id, request.actor);
    return (await this.#view(this.#deps.pool, id)) ?? notFound();
  }

  /** Asks for a restore, which the restore job does. Throws `BackupNotComplete`, `RestoreRunning`, `BackupRunning`. */
  async restore(request: Request, id: string): Promise<BackupView> {
    const { actor } = request;
    await this.#demandComplete(id);
    const answer = await this.#once(
      request,
      `/v1/backups/${id}/restore`,
      async (tx) => {
        if ((await underWay(tx)).backup) throw new BackupRunning();
        await insertRestore(tx, {
          id: newId(),
          backupId: id,
          requestedBy: actor.id,
          requestedRole: actor.role,
          requestId: actor.requestId,
          traceparent: actor.traceparent,
        });
        await emit(tx, SOURCE, backupEvent(actor, "restore_requested", { backupId: id }));
      },
      id,
    );
    if (!answer.replayed) this.#deps.wakeRestoreJob();
    return (await this.#view(this.#deps.pool, id)) ?? notFound();
  }

  /** Removes a backup and what only it held. Throws `BackupRunning` while something works on it. */
  async remove(actor: Actor, id: string): Promise<void> {
    const { pool, archive } = this.#deps;
    if (!(await this.#find(id))) throw new NotFound();
    await inTransaction(pool, async (tx) => {
      if (!(await beginDeletion(tx, id))) throw new BackupRunning();
      await emit(tx, SOURCE, backupEvent(actor, "deleted", { backupId: id }));
    });
    await this.#deps.work.exclusively(() => archive.remove(id));
    await endDeletion(pool, id);
  }

  /** Runs `begin` once per Idempotency-Key; the answer kept is only which backup it was about. */
  async #once(
    { actor, key }: Request,
    path: string,
    begin: (tx: Parameters<typeof insertBackup>[0]) => Promise<void>,
    backupId: string,
  ): Promise<{ backupId: string; replayed: boolean }> {
    const { body, replayed } = await idempotent(
      this.#deps.pool,
      this.#deps.keyring,
      { actorId: actor.id, key, method: "POST", path, body: {} },
      async (tx) => {
        await begin(tx);
        return { status: 202, body: { backupId } };
      },
    );
    return { ...body, replayed };
  }

  async #find(id: string): Promise<Backup | null> {
    return Id.safeParse(id).success ? findBackup(this.#deps.pool, id) : null;
  }

  async #demandComplete(id: string): Promise<void> {
    const backup = await this.#find(id);
    if (!backup) throw new NotFound();
    if (backup.state !== "complete") throw new BackupNotComplete();
  }

  async #view(pool: pg.Pool, id: string): Promise<BackupView | null> {
    const backup = await this.#find(id);
    if (!backup) return null;
    return viewOf(backup, (await latestRestores(pool, [id])).get(id) ?? null);
  }
}

function notFound(): never {
  throw new NotFound();
}
