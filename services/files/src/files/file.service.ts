import {
  type DamagedRow,
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
import { createSubjectKey, idempotent, replayHeaders } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import { inTransaction, isUnavailable, type Tx, withoutDeadline } from "@medvault/postgres";
import { type Caller, markRecorded } from "@medvault/service-kit";
import type { Context, Quota } from "../context.ts";
import { type Content, openContent } from "./content.service.ts";
import { QuotaExceeded, RowDamaged } from "./file.errors.ts";
import {
  attachmentDeniedEvent,
  damagedEvent,
  fileEvent,
  listedEvent,
  storedAgainEvent,
  storedEvent,
} from "./file.events.ts";
import {
  deleteFile,
  findFile,
  insertFile,
  isDamaged,
  listFiles,
  lockUsage,
  patientOfAttachment,
} from "./file.store.ts";
import { type FoundFile, isClosed, type StoredFile, viewOf } from "./file.ts";
import { type Access, AccessDenied } from "./records.client.ts";
import { type ReceivedFile, Upload } from "./upload.service.ts";

const SOURCE = "files";

/**
 * Lets `feed` pass the parts of a request, then keeps what was received: first blobs, then rows and
 * events in one transaction. On failure nothing stays; only if the outcome of the commit is unknown
 * are the blobs left to the sweep, which asks the rows.
 */
export async function storeFiles(
  context: Context,
  caller: Caller,
  idempotencyKey: string | undefined,
  feed: (upload: Upload) => Promise<void>,
): Promise<{ body: UploadAnswer; headers: Record<string, string> }> {
  const upload = new Upload(context, caller);
  let committing = false;
  try {
    await feed(upload);
    const { target, access, files } = await upload.complete();
    await context.blobs.keep(files.map((file) => file.blob));
    committing = true;
    const answer = await insert(context, caller, access, idempotencyKey, target, files);
    if (answer.replayed) await upload.discard();
    return { body: answer.body, headers: replayHeaders(answer) };
  } catch (error) {
    if (!committing || !isUnavailable(error)) await upload.discard();
    throw error;
  }
}

/** With an idempotency key, the request's body is what was uploaded: target, names and hashes. */
function insert(
  { pool, keyring, appender, quotas }: Context,
  caller: Caller,
  access: Access,
  key: string | undefined,
  target: NewFiles,
  files: ReceivedFile[],
): Promise<{ body: UploadAnswer; replayed: boolean }> {
  const parts = files.map(({ name, contentType, sha256 }) => ({ name, contentType, sha256 }));
  const request = { actorId: caller.id, key, method: "POST", path: "/v1/files", body: { ...target, parts } };
  const store = async (tx: Tx) => {
    const [patientId] = access.chart;
    // The lock first: whoever is erased while this waits for it gets no key any more.
    await requireRoom(tx, access.chart, files, access.vouched ? quotas.patient : quotas.unvouched);
    const subjectKey = await createSubjectKey(tx, keyring, patientId);
    const items: FileView[] = [];
    for (const received of files) {
      const file = rowOf(caller, { ...target, patientId }, received);
      const { createdAt, boxSha256 } = await insertFile(tx, keyring, subjectKey, file);
      await emit(tx, SOURCE, storedEvent(caller, access.reason, file, boxSha256));
      items.push(viewOf({ ...file, createdAt }, patientId));
    }
    return { status: 201, body: { items } };
  };
  return idempotent<UploadAnswer>(pool, keyring, request, store, async ({ body }) => {
    const [first] = body.items.filter((file) => isClosed(file, access.closed));
    if (first) throw new AccessDenied(first.patientId);
    await appender.append(...body.items.map((file) => storedAgainEvent(caller, access.reason, file)));
  });
}

/** Uploads for one chart take turns here, so that those at once cannot pass the quota. */
async function requireRoom(
  tx: Tx,
  chart: Access["chart"],
  files: ReceivedFile[],
  quota: Quota,
): Promise<void> {
  const used = await lockUsage(tx, chart);
  const bytes = files.reduce((sum, file) => sum + file.sizeBytes, used.bytes);
  if (bytes > quota.maxBytes || used.files + files.length > quota.maxFiles) throw new QuotaExceeded();
}

/** A page of a chart's files, newest first; one event names the patients of it. */
export async function listFilesOf(
  context: Context,
  caller: Caller,
  query: FileListQuery,
): Promise<{ items: (FileView | DamagedRow)[]; nextCursor: string | null }> {
  const beforeId = decodeCursor(Id, query.cursor) ?? null;
  const of = query.patientId
    ? await requireRead(context, caller, query.patientId)
    : await accessOfAttachment(context, caller, query.attachedTo);
  const found = of
    ? await listFiles(context.pool, context.keyring, {
        chart: of.chart,
        attachedTo: query.attachedTo ?? null,
        beforeId,
        limit: query.limit + 1,
        closed: of.closed,
      })
    : [];
  const items = found.slice(0, query.limit).map((file) => {
    const shownUnder = of?.chart[0] ?? file.patientId;
    return isDamaged(file) ? { ...file, patientId: shownUnder } : viewOf(file, shownUnder);
  });
  await context.appender.append(
    listedEvent(caller, of?.reason ?? "nothing_found", of?.chart ?? [], items.length),
    ...found.filter(isDamaged).map((file) => damagedEvent(caller, file)),
  );
  const last = items.at(-1);
  return { items, nextCursor: last && found.length > query.limit ? encodeCursor(last.id) : null };
}

/** One file's metadata. Throws the same `NotFound` for a missing file and for another's. */
export async function readFile(
  context: Context,
  caller: Caller,
  id: string,
): Promise<{ body: FileView; rev: number }> {
  const { file, reason, patientId } = await requireFile(context, caller, id, "read");
  await context.appender.append(fileEvent(caller, "read", file, { reason, fields: ["metadata"] }));
  return { body: viewOf(file, patientId), rev: file.rev };
}

export interface OpenFile {
  file: FoundFile;
  content: Content;
  noteRead: () => Promise<void>;
}

/** The file and its bytes, authenticated as read; the caller awaits `noteRead`, and closes it. */
export async function openFile(context: Context, caller: Caller, id: string): Promise<OpenFile> {
  const { file, reason } = await requireFile(context, caller, id, "read");
  const { appender, blobs } = context;
  const read = (rest: { reason: string; outcome?: "failure" }) =>
    appender.append(fileEvent(caller, "read", file, { ...rest, fields: ["content"] }));
  // Reading was allowed, but the bytes were not those that were stored; a download may last long
  // until that is found.
  const content = await openContent(blobs, file, () =>
    withoutDeadline(() => read({ reason: "content_damaged", outcome: "failure" })),
  );
  return { file, content, noteRead: () => read({ reason }) };
}

/** Removes the row with its event, then the blob. `rev` is that of If-Match. */
export async function removeFile(
  context: Context,
  caller: Caller,
  id: string,
  rev: number | null,
): Promise<void> {
  const { file, reason } = await requireFile(context, caller, id, "delete");
  if (rev !== null && rev !== file.rev) throw new VersionConflict();
  await inTransaction(context.pool, async (tx) => {
    if (!(await deleteFile(tx, file.id, file.rev))) throw new NotFound();
    await emit(tx, SOURCE, fileEvent(caller, "deleted", file, { reason, details: { rev: file.rev } }));
  });
  await context.blobs.discard([file.blob]);
}

interface AllowedFile {
  file: FoundFile;
  /** The scope that records allowed it in. */
  reason: string;
  /** In whose chart it is. */
  patientId: string;
}

async function requireFile(
  { appender, pool, keyring, records }: Context,
  caller: Caller,
  id: string,
  action: "read" | "delete",
): Promise<AllowedFile> {
  const sealed = await findFile(pool, keyring, id);
  if (!sealed) {
    // Records is asked for unknown ids too (about no patient): else the time taken, or an outage of
    // records, would reveal which ids exist.
    await records.requireAccess(caller, { patientId: newId(), action }).catch(throwUnlessDenied);
    throw new NotFound();
  }
  const { patientId } = sealed;
  const { reason, chart, closed } = await records.requireAccess(caller, { patientId, action });
  const file = sealed.open();
  if (isClosed({ attachedTo: null, ...file }, closed)) throw new AccessDenied(patientId);
  if (!isDamaged(file)) return { file, reason, patientId: chart[0] };
  await appender.append(damagedEvent(caller, file));
  throw markRecorded(new RowDamaged());
}

const requireRead = ({ records }: Context, caller: Caller, patientId: string): Promise<Access> =>
  records.requireAccess(caller, { patientId, action: "read" });

/**
 * The chart of an attachment's patient, if the caller may read their files; else null, so that
 * another's attachment and one without files are the same empty list. It asks records either way.
 */
async function accessOfAttachment(
  context: Context,
  caller: Caller,
  attachedTo: string | undefined,
): Promise<Access | null> {
  if (attachedTo === undefined) {
    throw new InvalidInput(undefined, [
      { path: "patientId", code: "required", message: "is needed, or attachedTo" },
    ]);
  }
  const patientId = await patientOfAttachment(context.pool, attachedTo);
  try {
    const access = await requireRead(context, caller, patientId ?? newId());
    return patientId ? access : null;
  } catch (error) {
    throwUnlessDenied(error);
    if (patientId) await context.appender.append(attachmentDeniedEvent(caller, patientId));
    return null;
  }
}

function throwUnlessDenied(error: unknown): void {
  if (!(error instanceof AccessDenied)) throw error;
}

function rowOf(caller: Caller, target: NewFiles, received: ReceivedFile): StoredFile {
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
    uploadedBy: caller.id,
    blob: received.blob.name,
    blobBytes: received.blob.bytes,
    blobSha256: received.blob.sha256,
    fileKey: received.fileKey.toString("base64"),
  };
}
