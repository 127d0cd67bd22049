import { BoxRefused, openBox, WrappedKeyRefused } from "@medvault/crypto";
import { KeysError } from "../errors.ts";
import type { Keyring } from "../keyring/keyring.ts";
import type { OpenJob } from "./seal-codec.ts";
import { openByWorkers } from "./seal-pool.ts";

// As for sealing: below this, worker threads cost more than they take off the event loop.
const MIN_BOXES_FOR_WORKERS = 201;

/**
 * Opens boxes that lie in no declared table, in order, over 200 in worker threads; null for one
 * that does not open, or whose subject's key does not. The caller wipes them. Throws
 * SealPoolFailed.
 */
export async function openBoxes(keyring: Keyring, jobs: readonly OpenJob[]): Promise<(Buffer | null)[]> {
  if (jobs.length >= MIN_BOXES_FOR_WORKERS) return openByWorkers(keyring, jobs);
  return jobs.map((job) => openHere(keyring, job));
}

function openHere(keyring: Keyring, { wrapped, context, box }: OpenJob): Buffer | null {
  try {
    return openBox(keyring.subjectKey(wrapped, context.subjectId), context, box);
  } catch (error) {
    const isRefused = [BoxRefused, WrappedKeyRefused, KeysError].some((kind) => error instanceof kind);
    if (isRefused) return null;
    throw error;
  }
}
