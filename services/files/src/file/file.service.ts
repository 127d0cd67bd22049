import {
  type Actor,
  decodeCursor,
  encodeCursor,
  type FileListQuery,
  type FileView,
  Id,
  InvalidInput,
  type NewFiles,
  NotFound,
  newId,
  type UploadAnswer,
  VersionConflict,
} from "@medvault/contracts";
import { createSubjectKey, idempotent, type Keyring } from "@medvault/keys";
import { type Appender, emit } from "@medvault/messaging";
import { inTransaction, isUnavailable } from "@medvault/postgres";
import { refusalOf } from "@medvault/service-kit";
import type pg from "pg";
import { AccessDenied, type Caller, type PatientAccess } from "./access.ts";
import type { BlobStore } from "./blob-store.ts";
import { type Content, openContent } from "./content-reader.ts";
import { deleteFile, findFile, insertFile, listFiles, patientOfAttachment } from "./file.store.ts";
import {
  damagedEvent,
  deletedEvent,
  type FoundFile,
  listedEvent,
  readEvent,
  type StoredFile,
  storedEvent,
  viewOf,
} from "./file.ts";
import { refusedEvent } from "./refused.ts";
import { type ReceivedFile, Upload } from "./upload.ts";

const SOURCE = "files";

export interface FileServiceDeps {
  pool: pg.Pool;
  keyring: Keyring;
  blobs: BlobStore;
  access: PatientAccess;
  appender: Appender;
  maxFileBytes: number;
}

/** What a caller may do with files. Every use case asks records before it shows or changes anything. */
export class FileService {
  readonly #deps: FileServiceDeps;

  constructor(deps: FileServiceDeps) {
    this.#deps = deps;
  }

  /**
   * Lets `feed` bring the parts of a request, then makes what was received lasting: blobs first, then rows and
   * events in one transaction. Whatever goes wrong, nothing stays; only where the outcome of a commit is unknown
   * the blobs are left to the sweep, which asks the rows.
   */
  async store(
    actor: Actor,
    caller: Caller,
    idempotencyKey: string | undefined,
    feed: (upload: Upload) => Promise<void>,
  ): Promise<UploadAnswer> {
    const upload = new Upload(this.#deps, caller);
    let committing = false;
    try {
      await feed(upload);
      const { target, reason, files } = await upload.complete();
      await this.#deps.blobs.keep(files.map((file) => file.blob));
      committing = true;
      const { body, replayed } = await this.#insert(actor, reason, idempotencyKey, target, files);
      if (replayed) await upload.discard();
      return body;
    } catch (error) {
      if (!committing || !isUnavailable(error)) await upload.discard();
      await this.#noteRefusedUpload(actor, error);
      throw error;
    }
  }

  /** What is refused for what it is (wrong type, too large, malformed); the kit notes who was not allowed. */
  async #noteRefusedUpload(actor: Actor, error: unknown): Promise<void> {
    const { refusal } = refusalOf(error);
    if (!["invalid", "too_large", "unsupported_media_type", "unprocessable"].includes(refusal.kind)) return;
    await this.#deps.appender.append(refusedEvent(actor, "POST", "/v1/files", refusal));
  }

  /** With an idempotency key, the request's body is what was uploaded: target, names and hashes. */
  async #insert(
    actor: Actor,
    reason: string,
    key: string | undefined,
    target: NewFiles,
    files: ReceivedFile[],
  ): Promise<{ body: UploadAnswer; replayed: boolean }> {
    const { pool, keyring } = this.#deps;
    const parts = files.map(({ name, contentType, sha256 }) => ({ name, contentType, sha256 }));
    const request = { actorId: actor.id, key, method: "POST", path: "/v1/files", body: { ...target, parts } };
    return idempotent<UploadAnswer>(pool, keyring, request, async (tx) => {
      const subjectKey = await createSubjectKey(tx, keyring, target.patientId);
      const items: FileView[] = [];
      for (const received of files) {
        const file = rowOf(actor, target, received);
        const { createdAt, boxSha256 } = await insertFile(tx, keyring, subjectKey, file);
        await emit(tx, SOURCE, storedEvent(actor, reason, file, boxSha256));
        items.push(viewOf({ ...file, createdAt }));
      }
      return { status: 201, body: { items } };
    });
  }

  /** A page of a patient's files, newest first; one event names the patient. */
  async list(
    actor: Actor,
    caller: Caller,
    query: FileListQuery,
  ): Promise<{ items: FileView[]; nextCursor: string | null }> {
    const beforeId = decodeCursor(Id, query.cursor) ?? null;
    const of = query.patientId
      ? { patientId: query.patientId, reason: await this.#demandRead(caller, query.patientId) }
      : await this.#patientOf(actor, caller, query.attachedTo);
    const patientId = of?.patientId ?? null;
    const found = patientId
      ? await listFiles(this.#deps.pool, this.#deps.keyring, {
          patientId,
          attachedTo: query.attachedTo ?? null,
          beforeId,
          limit: query.limit + 1,
        })
      : [];
    const items = found.slice(0, query.limit).map(viewOf);
    await this.#deps.appender.append(
      listedEvent(actor, of?.reason ?? "nothing_found", patientId ? [patientId] : [], items.length),
    );
    const last = items.at(-1);
    return { items, nextCursor: last && found.length > query.limit ? encodeCursor(last.id) : null };
  }

  /** One file's metadata. Throws `NotFound` alike for what is not there and what is not the caller's. */
  async describe(actor: Actor, caller: Caller, id: string): Promise<{ view: FileView; rev: number }> {
    const { file, reason } = await this.#demandFile(caller, id, "read");
    await this.#deps.appender.append(readEvent(actor, reason, file, ["metadata"]));
    return { view: viewOf(file), rev: file.rev };
  }

  /**
   * The file and a way to its bytes, which are proved as they are read; the caller closes it, and awaits `noteRead`
   * before a byte leaves.
   */
  async open(actor: Actor, caller: Caller, id: string): Promise<OpenFile> {
    const { file, reason } = await this.#demandFile(caller, id, "read");
    const { appender, blobs } = this.#deps;
    const content = await openContent(blobs, file, () => appender.append(damagedEvent(actor, file)));
    const noteRead = () => appender.append(readEvent(actor, reason, file, ["content"]));
    return { file, content, noteRead };
  }

  /** Removes the row with its event, then the blob. `rev` is that of If-Match. */
  async remove(actor: Actor, caller: Caller, id: string, rev: number | null): Promise<void> {
    const { file, reason } = await this.#demandFile(caller, id, "write");
    if (rev !== null && rev !== file.rev) throw new VersionConflict();
    await inTransaction(this.#deps.pool, async (tx) => {
      if (!(await deleteFile(tx, file.id, file.rev))) throw new NotFound();
      await emit(tx, SOURCE, deletedEvent(actor, reason, file));
    });
    await this.#deps.blobs.discard([file.blob]);
  }

  async #demandFile(caller: Caller, id: string, action: "read" | "write"): Promise<AllowedFile> {
    const wellFormed = Id.safeParse(id).success;
    const sealed = wellFormed ? await findFile(this.#deps.pool, this.#deps.keyring, id) : null;
    if (!sealed) {
      // Records is asked for unknown ids too, about a patient that is none: else the time taken, or an outage of
      // records, would tell which ids exist.
      if (wellFormed) {
        await this.#deps.access.demand(caller, { patientId: newId(), action }).catch(throwUnlessDenied);
      }
      throw new NotFound();
    }
    const reason = await this.#deps.access.demand(caller, { patientId: sealed.patientId, action });
    return { file: sealed.open(), reason };
  }

  #demandRead(caller: Caller, patientId: string): Promise<string> {
    return this.#deps.access.demand(caller, { patientId, action: "read" });
  }

  /**
   * Whose files hang on it, if the caller may read them; else null, so that an attachment of somebody else's and one
   * without files are the same empty list. Records is asked either way (see `#demandFile`).
   */
  async #patientOf(
    actor: Actor,
    caller: Caller,
    attachedTo: string | undefined,
  ): Promise<{ patientId: string; reason: string } | null> {
    if (attachedTo === undefined) {
      throw new InvalidInput(undefined, [{ path: "patientId", message: "or attachedTo is needed" }]);
    }
    const patientId = await patientOfAttachment(this.#deps.pool, attachedTo);
    try {
      const reason = await this.#demandRead(caller, patientId ?? newId());
      return patientId ? { patientId, reason } : null;
    } catch (error) {
      throwUnlessDenied(error);
      if (patientId) {
        await this.#deps.appender.append(
          refusedEvent(actor, "GET", "/v1/files", new AccessDenied(patientId)),
        );
      }
      return null;
    }
  }
}

interface AllowedFile {
  file: FoundFile;
  /** The scope that records allowed it in. */
  reason: string;
}

interface OpenFile {
  file: FoundFile;
  content: Content;
  noteRead: () => Promise<void>;
}

function throwUnlessDenied(error: unknown): void {
  if (!(error instanceof AccessDenied)) throw error;
}

function rowOf(actor: Actor, target: NewFiles, received: ReceivedFile): StoredFile {
  return {
    id: received.id,
    rev: 1,
    patientId: target.patientId,
    attachedTo: target.attachTo ?? null,
    name: received.name,
    contentType: received.contentType,
    sizeBytes: received.sizeBytes,
    sha256: received.sha256,
    state: "stored",
    uploadedBy: actor.id,
    blob: received.blob.name,
    blobBytes: received.blob.bytes,
    blobSha256: received.blob.sha256,
    fileKey: received.fileKey.toString("base64"),
  };
}
