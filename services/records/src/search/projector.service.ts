import { setTimeout as sleep } from "node:timers/promises";
import { WrappedKeyRefused } from "@medvault/crypto";
import { type Keyring, KeysError } from "@medvault/keys";
import { inTransaction, type Tx } from "@medvault/postgres";
import { DocumentRefused, type SearchDocument } from "@medvault/search";
import type pg from "pg";
import { readContents } from "./patient-load.service.ts";
import { readDocuments, type SealedDocument, takeChanged, writeDocuments } from "./search-document.store.ts";
import { openDocuments, rowsIn, type StoredDocument, sealDocument } from "./search-document.ts";
import type { Place } from "./searched-row.store.ts";

/** With ten rows each some 100 ms of work, in a lock for which no request waits. */
const PATIENTS_PER_BATCH = 100;
/** Of patients whose documents are written at once. One with more is a batch of their own. */
const ROWS_PER_BATCH = 10_000;
/** Who has more has no document, and is read from the rows. */
const MAX_ROWS = 250_000;
const NIL = "00000000-0000-0000-0000-000000000000";

export interface ProjectorPlace {
  readonly pool: pg.Pool;
  readonly keyring: Keyring;
}

/**
 * Writes the search documents of all patients who changed, a batch at a time, each in a transaction
 * of its own: a process that is killed leaves what was committed, and the rest to be done. Between
 * two batches it waits as long as one took. Ends early by `signal`, and at once while another
 * process does this. Returns how many patients it saw to.
 */
export async function project({ pool, keyring }: ProjectorPlace, signal: AbortSignal): Promise<number> {
  for (let count = 0, after = NIL; ; ) {
    const startedMs = performance.now();
    const done = await inTransaction(pool, (tx) => projectNext({ db: tx, keyring }, after));
    count += done.length;
    after = done.at(-1) ?? after;
    if (done.length === 0 || signal.aborted) return count;
    await sleep(performance.now() - startedMs, undefined, { signal }).catch(() => undefined);
  }
}

/** The next patients after an id. None: nobody is left, or another process is at it. */
async function projectNext(place: Place & { db: Tx }, after: string): Promise<readonly string[]> {
  const { db, keyring } = place;
  const taken = await takeChanged(db, after, PATIENTS_PER_BATCH);
  if (taken === null || taken.ids.length === 0) return [];
  const stored = new Map((await readDocuments(db, taken.ids)).map((one) => [one.id, one]));
  const ids = firstWith(taken.ids, (id) => rowsIn(stored.get(id)), ROWS_PER_BATCH);
  const some = ids.flatMap((id) => stored.get(id) ?? []).filter((one) => rowsIn(one) <= MAX_ROWS);
  const documents = await readContents(place, some, await openDocuments(keyring, some));
  const sealed = some.flatMap((one, at) => trySeal(keyring, one, documents[at] ?? null) ?? []);
  await writeDocuments(db, { ...taken, ids }, sealed);
  return ids;
}

/** As many from the start as have so many rows together, and one at least. */
function firstWith(ids: readonly string[], rowsOf: (id: string) => number, most: number): readonly string[] {
  let rows = 0;
  const end = ids.findIndex((id, at) => {
    rows += rowsOf(id);
    return at > 0 && rows > most;
  });
  return end === -1 ? ids : ids.slice(0, end);
}

/** Null: the patient's key does not open, or it would be too large; then there is none. */
function trySeal(
  keyring: Keyring,
  { id, subject_key: wrapped, rev }: StoredDocument,
  document: SearchDocument | null,
): SealedDocument | null {
  try {
    return document && { id, ...sealDocument(keyring, wrapped, rev, document) };
  } catch (error) {
    if ([DocumentRefused, WrappedKeyRefused, KeysError].some((kind) => error instanceof kind)) return null;
    throw error;
  }
}
