import { type AnnouncedErasure, confirmedErasure, forgottenEvent } from "@medvault/contracts";
import { allFinalAt, eraseSubject, forgetAnswers, isAnyErased } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import { afterCommit, type Tx } from "@medvault/postgres";
import type { Context } from "../context.ts";
import { deleteExportsOf } from "../exports/export.store.ts";
import { deleteFilesOf, lockUsage } from "../files/file.store.ts";

const SOURCE = "files";

/**
 * Deletes the files of a chart, archives that were made of it, and its keys, and confirms it to
 * records. Told again, it confirms again, with what has become final since. A blob that is left by
 * a process that ends now is found by the sweep; nothing opens it.
 */
export async function forgetPatient(tx: Tx, context: Context, erasure: AnnouncedErasure): Promise<void> {
  const { patientIds } = erasure;
  if (!(await isAnyErased(tx, patientIds))) {
    // An upload that is being stored is waited for; a later one gets no key.
    for (const id of patientIds) await lockUsage(tx, [id]);
    const gone = await deleteFilesOf(tx, patientIds);
    const archives = await deleteExportsOf(tx, patientIds);
    for (const id of patientIds) await eraseSubject(tx, context.keyring, id);
    const ids = new Set([...patientIds, ...gone.map(({ id }) => id)]);
    const answers = await forgetAnswers(tx, context.keyring, ids);
    await emit(
      tx,
      SOURCE,
      forgottenEvent(SOURCE, erasure, { files: gone.length, archives: archives.length, answers }),
    );
    afterCommit(
      tx,
      () => void context.blobs.discard([...gone.map(({ blob }) => blob), ...archives]).catch(() => {}),
    );
  }
  const finalAt = await allFinalAt(tx, patientIds);
  await emit(tx, SOURCE, confirmedErasure(SOURCE, erasure, new Date(), finalAt));
}
