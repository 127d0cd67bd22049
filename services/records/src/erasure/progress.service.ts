import { allFinalAt } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import { inTransaction, type Tx } from "@medvault/postgres";
import type { Context } from "../context.ts";
import { SOURCE } from "../resources/resource.events.ts";
import { announcedEvent, progressEvent } from "./erasure.events.ts";
import * as store from "./erasure.store.ts";
import { type Erasure, missingParts, PARTS, type PartName } from "./erasure.ts";

/** Backup has no keys of patients: keysets of kept backups are renewed before a key is final. */
const WITH_KEYS = PARTS.filter((name) => name !== "backup");
const ASKED_AT_ONCE = 100;

interface Confirmation {
  service: PartName;
  doneAt: Date;
  finalAt: Date | null;
}

/** Takes down that a service has done its part; the same again changes nothing. */
export async function takeConfirmation(
  tx: Tx,
  number: number,
  { service, doneAt, finalAt }: Confirmation,
): Promise<void> {
  const before = await store.lockErasure(tx, number);
  // Of another installation, or a ledger that was lost: nothing to confirm.
  if (!before) return;
  await store.confirmPart(tx, number, service, doneAt, finalAt);
  const missing = missingParts(before);
  if (missing.length === 1 && missing[0] === service) {
    await emit(tx, SOURCE, progressEvent("completed", before));
  }
  await finishKeys(tx, number);
}

/**
 * Asks again who has not confirmed, or whose keys were not final yet, and takes down what is:
 * called again and again, so that a service that was away for a day goes on where it was.
 */
export async function askAgain(context: Context, askedBefore: Date): Promise<void> {
  await inTransaction(context.pool, async (tx) => {
    const asked: number[] = [];
    for (const erasure of await store.lockOpen(tx, askedBefore, ASKED_AT_ONCE)) {
      const finalAt = await allFinalAt(tx, erasure.patientIds);
      if (finalAt) await store.confirmPart(tx, erasure.number, "records", finalAt, finalAt);
      asked.push(erasure.number);
      if (await finishKeys(tx, erasure.number)) continue;
      // Each service rotates about when records does: before that nobody else has final keys.
      if (missingParts(erasure).length > 0 || finalAt)
        await emit(tx, SOURCE, announcedEvent(erasure, erasure.accountId));
    }
    await store.noteAsked(tx, asked);
  });
}

/** Takes down since when no copy of a key opens, once every service has said so. */
async function finishKeys(tx: Tx, number: number): Promise<boolean> {
  const erasure = await store.lockErasure(tx, number);
  if (!erasure || erasure.keysDestroyedAt) return erasure !== null;
  const at = latest(WITH_KEYS.map((name) => finalAt(erasure, name)));
  if (at === null) return false;
  await store.noteKeysDestroyed(tx, number, at);
  await emit(tx, SOURCE, progressEvent("keys-destroyed", erasure));
  return true;
}

const finalAt = ({ parts }: Erasure, name: PartName): Date | null => parts.get(name)?.keysFinalAt ?? null;

/** The last of these moments; null while one is missing. */
function latest(times: readonly (Date | null)[]): Date | null {
  const known = times.filter((time) => time !== null);
  if (known.length < times.length) return null;
  return known.reduce<Date | null>((last, time) => (last && last > time ? last : time), null);
}
