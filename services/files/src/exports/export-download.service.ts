import { type Actor, NotFound } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction, withoutDeadline } from "@medvault/postgres";
import type { Caller } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { type Content, openSealed } from "../files/content.service.ts";
import { ExportGone, ExportInDownload, ExportNotReady } from "./export.errors.ts";
import { exportEvent } from "./export.events.ts";
import {
  beginDownload,
  completeDownload,
  expireExports,
  findExport,
  holdDownload,
  leaveDownload,
  openSecrets,
} from "./export.store.ts";
import type { Export } from "./export.ts";

const SOURCE = "files";
const BOUNDS = { holdMs: 60_000, most: 3, withinMs: 15 * 60_000 };
const HOLD_EVERY_MS = 20_000;

export interface Download {
  readonly sizeBytes: number;
  readonly name: string;
  /** The archive's bytes; once, and then `close`. */
  bytes(): AsyncGenerator<Buffer>;
  close(): Promise<void>;
}

/**
 * An archive that its caller asked for and may still see, for its one download, or (`isHead`) to
 * say how large it is. It counts as downloaded, and its key is destroyed, before its last byte is
 * sent: a download that breaks off before that may be tried again, three times in all and within 15
 * minutes of the first. Throws NotFound, ExportNotReady, ExportGone, ExportInDownload,
 * ContentDamaged, and as records decides.
 */
export async function openDownload(
  context: Context,
  caller: Caller,
  id: string,
  isHead: boolean,
): Promise<Download> {
  const { pool, keyring, records, blobs } = context;
  const found = await findExport(pool, id, caller.id);
  if (!found) throw new NotFound();
  const question = { patientId: found.patientId, action: "read" } as const;
  const { closed } = await records.requireAccess({ ...caller, purpose: found.purpose }, question);
  const { state, blob, sizeBytes, createdAt } = found;
  if (state === "queued" || state === "running") throw new ExportNotReady();
  const secrets = state === "ready" ? await openSecrets(pool, keyring, id) : null;
  if (!secrets?.fileKey || blob === null || sizeBytes === null || isOver(found)) throw new ExportGone();
  if (closed.some((part) => !secrets.closed.includes(part))) {
    await destroy(context, found);
    throw new ExportGone();
  }
  const content = await openSealed(blobs, {
    ...{ blob, sizeBytes, fileKey: secrets.fileKey, service: "files/exports", id },
    onDamage: () =>
      withoutDeadline(() =>
        context.appender.append(
          exportEvent(caller, "downloaded", found, { reason: "content_damaged", outcome: "failure" }),
        ),
      ),
  });
  const name = `health-record-${createdAt.toISOString().slice(0, 10)}.zip`;
  const close = () => content.close();
  if (isHead) return { name, sizeBytes, close, bytes: () => content.read(0, 0) };
  try {
    const begun = await beginDownload(pool, id, BOUNDS);
    if (begun === "busy") throw new ExportInDownload();
    if (begun === "gone") throw new ExportGone();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    name,
    sizeBytes,
    close,
    bytes: () => onceOnly(context, caller, found, { content, blob, sizeBytes }),
  };
}

/** The patient closed a part to its person since the archive was begun: it may be in there. */
async function destroy({ pool, blobs }: Context, one: Export): Promise<void> {
  const ended = await inTransaction(pool, async (tx) => {
    const all = await expireExports(tx, one, 1);
    for (const each of all) await emit(tx, SOURCE, exportEvent(null, "expired", each, { reason: "closed" }));
    return all;
  });
  await blobs.discard(ended.map(({ blob }) => blob));
}

const isOver = ({ expiresAt }: Export): boolean => expiresAt !== null && expiresAt <= new Date();

async function* onceOnly(
  context: Context,
  actor: Actor,
  one: Export,
  { content, blob, sizeBytes }: { content: Content; blob: string; sizeBytes: number },
): AsyncGenerator<Buffer> {
  const { pool, blobs, logger } = context;
  const holding = setInterval(() => {
    holdDownload(pool, one.id, BOUNDS.holdMs).catch(() => undefined);
  }, HOLD_EVERY_MS);
  let isComplete = false;
  try {
    yield* content.read(0, sizeBytes - 1);
    const [last] = await Array.fromAsync(content.read(sizeBytes - 1, sizeBytes));
    isComplete = await withoutDeadline(() => complete(context, actor, one));
    if (!isComplete || !last) throw new ExportGone();
    await blobs.discard([blob]);
    yield last;
  } finally {
    clearInterval(holding);
    if (!isComplete)
      await withoutDeadline(() => leave(context, actor, one)).catch((err: unknown) =>
        logger.warn({ err }, "a download that broke off holds its archive for a minute"),
      );
  }
}

const complete = ({ pool }: Context, actor: Actor, one: Export): Promise<boolean> =>
  inTransaction(pool, async (tx) => {
    const isFirst = await completeDownload(tx, one.id);
    if (isFirst) await emit(tx, SOURCE, exportEvent(actor, "downloaded", one, { reason: "own" }));
    return isFirst;
  });

const leave = ({ pool }: Context, actor: Actor, one: Export): Promise<void> =>
  inTransaction(pool, async (tx) => {
    await leaveDownload(tx, one.id);
    await emit(tx, SOURCE, exportEvent(actor, "left", one, { reason: "broke_off", outcome: "failure" }));
  });
