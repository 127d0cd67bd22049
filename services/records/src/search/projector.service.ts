import { setTimeout as sleep } from "node:timers/promises";
import { WrappedKeyRefused } from "@medvault/crypto";
import { type Keyring, KeysError } from "@medvault/keys";
import { inTransaction, type Tx } from "@medvault/postgres";
import { DocumentRefused, type DocumentRow, type IndexedRow, type SearchDocument } from "@medvault/search";
import type pg from "pg";
import {
  type RowRevision,
  readDocuments,
  readRevisions,
  type SealedDocument,
  takeChanged,
  writeDocuments,
} from "./search-document.store.ts";
import { layoutNow, openDocuments, rowsIn, type StoredDocument, sealDocument } from "./search-document.ts";
import { type Place, readPatients, readRows } from "./searched-row.store.ts";
import { chunksOf } from "./waiting.ts";

/** With ten rows each some 100 ms of work, in a lock for which no request waits. */
const PATIENTS_PER_BATCH = 100;
/** Of patients whose documents are written at once. One with more is a batch of their own. */
const ROWS_PER_BATCH = 10_000;
/** Who has more has no document, and is read from the rows. */
const MAX_ROWS = 250_000;
const ROWS_PER_STATEMENT = 500;
const NIL = "00000000-0000-0000-0000-000000000000";

export interface ProjectorPlace {
  readonly pool: pg.Pool;
  readonly keyring: Keyring;
}

/**
 * Writes the search documents of all patients who changed, a batch at a time, each in a transaction
 * of its own: whoever is killed leaves what was committed, and the rest to be done. Between two
 * batches it waits as long as one took. Ends early by `signal`, and at once while another process
 * does this. Returns how many patients it saw to.
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
  const documents = await documentsOf(place, some);
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

/**
 * What the rows say now, of those patients who are there. What a document has of a row in its
 * present revision is kept, unless the row was changed: then it is read, and kept only where the
 * row does not open any more.
 */
async function documentsOf(
  place: Place & { db: Tx },
  stored: readonly StoredDocument[],
): Promise<(SearchDocument | null)[]> {
  const layout = layoutNow();
  const opened = await openDocuments(place.keyring, stored);
  const formerOf = opened.map((one) => (one?.layout === layout ? one : null));
  const ids = stored.map(({ id }) => id);
  const patients = new Map((await readPatients(place, ids)).map(({ patient }) => [patient.id, patient]));
  const revisions = Map.groupBy(await readRevisions(place.db, ids), ({ patientId }) => patientId);
  const knownOf = formerOf.map((former) => new Map(former?.rows.map((row) => [row.id, row])));
  const wanted = stored.flatMap(({ id }, at) =>
    (revisions.get(id) ?? [])
      .filter((row) => row.isChanged || !isKnown(knownOf[at], row))
      .map((row) => row.id),
  );
  const read = new Map<string, IndexedRow>();
  for (const some of chunksOf(wanted, ROWS_PER_STATEMENT)) {
    for (const row of await readRows(place, some)) read.set(row.id, row);
  }
  const isWanted = new Set(wanted);
  return stored.map(({ id, print }, at) => {
    const patient = patients.get(id);
    if (!patient) return null;
    const former = formerOf[at];
    const isSame = former?.print.slice(-REVISION_CHARS) === print.slice(-REVISION_CHARS);
    const rows = (revisions.get(id) ?? []).flatMap((row): DocumentRow[] => {
      const known = isKnown(knownOf[at], row) ? knownOf[at]?.get(row.id) : undefined;
      const now = isWanted.has(row.id) ? read.get(row.id) : known;
      if (!now) return []; // gone since
      return [{ ...(now.text === null && known ? known : now), rev: row.rev }];
    });
    return {
      layout,
      print,
      patient: patient.name === null && former && isSame ? former.patient : patient,
      rows,
    };
  });
}

/** Of a fingerprint: its last four bytes are the revision of the patient's own row. */
const REVISION_CHARS = 8;

const isKnown = (known: ReadonlyMap<string, DocumentRow> | undefined, { id, rev }: RowRevision): boolean =>
  known?.get(id)?.rev === rev;

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
