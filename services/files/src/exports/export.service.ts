import { type Actor, type BegunExport, Forbidden, NotFound, newId, scopeOf } from "@medvault/contracts";
import { idempotent, replayHeaders } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import type { Caller, WriteRequest } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { ExportLimit, ExportRunning, PurposeRequired } from "./export.errors.ts";
import { exportEvent } from "./export.events.ts";
import { deleteExport, expireExports, findExport, insertExport } from "./export.store.ts";
import { randomPassword, viewOf } from "./export.ts";

const SOURCE = "files";
/** Under way at a time, of one person. */
const MOST_OF_ONE = 5;

interface Asked {
  patientId: string;
  write: WriteRequest;
}

/**
 * Puts an export in line. What the same person had made of this chart before is destroyed: one
 * archive of it waits at most. The password is in no kept answer: a request that comes again gets
 * null. Throws Forbidden, PurposeRequired, NotFound, ExportRunning, ExportLimit, Unavailable.
 */
export async function beginExport(
  context: Context,
  caller: Caller,
  { patientId, write }: Asked,
): Promise<{ body: BegunExport; headers: Record<string, string> }> {
  const { pool, keyring, appender, records, blobs } = context;
  if (scopeOf(caller, "file:read") === null) throw new Forbidden();
  const purpose = caller.purpose ?? (scopeOf(caller, "fhir:export") === "own" ? "PATRQT" : null);
  if (purpose === null) throw new PurposeRequired();
  const { chart, reason } = await records.requireAccess(caller, { patientId, action: "read" });
  const delegation = await context.delegates.delegate(caller, chart);
  const password = randomPassword();
  const one = { id: newId(), patientId: chart[0], chart, requestedBy: caller.id, purpose };
  let replaced: string[] = [];
  const answer = await idempotent<BegunExport>(
    pool,
    keyring,
    { actorId: caller.id, ...write },
    async (tx) => {
      const secrets = { password, delegation, requestId: caller.requestId, fileKey: null, closed: [] };
      const box = { ...secrets, id: one.id, patientId: one.patientId, rev: 1 };
      const inserted = await insertExport(tx, keyring, one, box, MOST_OF_ONE);
      if (inserted === "limit") throw new ExportLimit();
      if (inserted === "running") throw new ExportRunning();
      const before = await expireExports(tx, one, MOST_OF_ONE);
      replaced = before.map(({ blob }) => blob);
      for (const former of before)
        await emit(tx, SOURCE, exportEvent(caller, "expired", former, { reason: "replaced" }));
      await emit(tx, SOURCE, exportEvent(caller, "requested", one, { reason }));
      return { status: 202, body: { ...viewOf(inserted), password: null } };
    },
    ({ body }) =>
      appender.append(
        exportEvent(caller, "requested", { ...body, purpose }, { reason, details: { replayed: true } }),
      ),
  );
  await blobs.discard(replaced);
  return {
    body: { ...answer.body, password: answer.replayed ? null : password },
    headers: replayHeaders(answer),
  };
}

/** How far an export of the caller's own is. Throws NotFound. */
export async function readExport({ pool, appender }: Context, actor: Actor, id: string) {
  const found = await findExport(pool, id, actor.id);
  if (!found) throw new NotFound();
  await appender.append(exportEvent(actor, "read", found, { reason: "own" }));
  return { body: viewOf(found) };
}

/** Ends an export of the caller's own, in whatever state: nothing of it stays. Throws NotFound. */
export async function cancelExport({ pool, blobs }: Context, actor: Actor, id: string): Promise<void> {
  const blob = await inTransaction(pool, async (tx) => {
    const found = await findExport(tx, id, actor.id);
    if (!found || !(await deleteExport(tx, id))) throw new NotFound();
    await emit(
      tx,
      SOURCE,
      exportEvent(actor, "cancelled", found, { reason: "own", details: { state: found.state } }),
    );
    return found.blob;
  });
  if (blob) await blobs.discard([blob]);
}
