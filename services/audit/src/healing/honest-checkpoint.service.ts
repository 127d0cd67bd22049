import type { LogContext } from "../context.ts";
import { checkpointsBelow } from "../log/checkpoint.store.ts";
import { openCheckpoint, type SignedCheckpoint } from "../tree/checkpoint.ts";
import { HealingRefused } from "./healing.errors.ts";

/** Rows of the history that are looked at, newest first, until one is honest. */
const MOST_FORGED = 1_000;

export interface Honest {
  /** The largest that this log's key signed, outside or in the history; null: none ever was. */
  readonly checkpoint: SignedCheckpoint | null;
  /** The checkpoint outside is another one, or is gone. */
  readonly isOutsideWrong: boolean;
  readonly isVkeyWrong: boolean;
  /** Sizes in the history that were not signed by this log's key. */
  readonly forged: readonly number[];
}

/** @throws HealingRefused where the key has signed two logs, or is not this log's */
export async function honestCheckpoint({
  pool,
  outside,
  signer,
}: Pick<LogContext, "pool" | "outside" | "signer">): Promise<Honest> {
  const note = await outside.readCheckpoint();
  const vkey = await outside.readVkey();
  const atHand = note === null ? null : openCheckpoint(note, signer.key, signer.origin);
  const forged: number[] = [];
  let past: SignedCheckpoint | null = null;
  for (const row of await checkpointsBelow(pool, null, MOST_FORGED)) {
    const signed = openCheckpoint(row.note, signer.key, signer.origin);
    if (signed?.size === row.size && signed.root.equals(row.root)) {
      past = signed;
      break;
    }
    forged.push(row.size);
  }
  if (atHand && past && atHand.size === past.size && !atHand.root.equals(past.root)) {
    throw new HealingRefused(
      `this log's key has signed two different logs of ${past.size} entries: it was used by somebody else. Keep both, and take a backup`,
    );
  }
  const checkpoint = (past?.size ?? 0) > (atHand?.size ?? 0) ? past : atHand;
  if (checkpoint === null && (forged.length > 0 || note !== null)) {
    throw new HealingRefused(
      "no checkpoint is signed by this log's key: the keys, or MEDVAULT_AUDIT_ORIGIN, are not those that this log began with",
    );
  }
  const isVkeyWrong = vkey !== null && vkey.trim() !== signer.vkey;
  if (isVkeyWrong && checkpoint === null)
    throw new HealingRefused("audit.vkey outside is of another key or origin");
  return { checkpoint, isOutsideWrong: checkpoint !== null && note !== checkpoint.note, isVkeyWrong, forged };
}
