import type { DocumentRow, IndexedRow, SearchDocument } from "@medvault/search";
import { type RowRevision, readDocuments, readRevisions, requestDocuments } from "./search-document.store.ts";
import { layoutNow, openDocuments, rowsIn, type StoredDocument } from "./search-document.ts";
import {
  chartIds,
  type IndexPlace,
  type LoadedPatient,
  type Place,
  readPatients,
  readRows,
} from "./searched-row.store.ts";
import { chunksOf } from "./waiting.ts";

const ROWS_PER_STATEMENT = 500;

/**
 * These patients with all of their prescriptions: from their documents, where those were made of
 * just the rows that there are now, else from the rows, and the document is written again, soon.
 * Who is not there, or has no key, is not.
 */
export async function loadPatients(place: IndexPlace, ids: readonly string[]): Promise<LoadedPatient[]> {
  const stored = await readDocuments(place.db, ids);
  const opened = await openDocuments(place.keyring, stored);
  const layout = layoutNow();
  const isOfNow = stored.map(({ print }, at) => opened[at]?.print === print && opened[at].layout === layout);
  const others = stored.filter((_, at) => !isOfNow[at]);
  const formers = opened.filter((_, at) => !isOfNow[at]);
  const read = others.length > 0 ? await readContents(place, others, formers) : [];
  const unasked = others.flatMap(({ id, isAwaited }) => (isAwaited ? [] : id));
  await requestDocuments(place.primary, unasked).catch(() => undefined); // else at their next load
  return [
    ...stored.flatMap((one, at) => (isOfNow[at] ? loaded(one, opened[at] ?? null) : [])),
    ...others.flatMap((one, at) => loaded(one, read[at] ?? null)),
  ];
}

const loaded = ({ id, chart }: StoredDocument, document: SearchDocument | null): LoadedPatient[] =>
  document ? [{ patient: document.patient, rows: document.rows, chart: chartIds(id, chart) }] : [];

/**
 * What the rows of these patients say now; null for who is not there. Of a former document, null
 * where there is none, what it has of a row in its present revision is kept, unless the row was
 * changed: then it is read, and what was known stays only where the row does not open any more.
 */
export async function readContents(
  place: Place,
  stored: readonly StoredDocument[],
  opened: readonly (SearchDocument | null)[],
): Promise<(SearchDocument | null)[]> {
  const layout = layoutNow();
  const formers = opened.map((one) => (one?.layout === layout ? one : null));
  const ids = stored.map(({ id }) => id);
  const patients = new Map((await readPatients(place, ids)).map(({ patient }) => [patient.id, patient]));
  const withRows = stored.flatMap((one) => (rowsIn(one) > 0 ? one.id : []));
  const revisions = Map.groupBy(await readRevisions(place.db, withRows), ({ patientId }) => patientId);
  const known = formers.map((former) => new Map(former?.rows.map((row) => [row.id, row])));
  const wanted = stored.flatMap(({ id }, at) =>
    (revisions.get(id) ?? []).filter((row) => row.isChanged || !isKnown(known[at], row)).map((row) => row.id),
  );
  const read = new Map<string, IndexedRow>();
  for (const some of chunksOf(wanted, ROWS_PER_STATEMENT)) {
    for (const row of await readRows(place, some)) read.set(row.id, row);
  }
  const isWanted = new Set(wanted);
  return stored.map(({ id, print }, at) => {
    const patient = patients.get(id);
    if (!patient) return null;
    const former = formers[at];
    const isSame = former?.print.slice(-REVISION_CHARS) === print.slice(-REVISION_CHARS);
    const rows = (revisions.get(id) ?? []).flatMap((row): DocumentRow[] => {
      const before = isKnown(known[at], row) ? known[at]?.get(row.id) : undefined;
      const now = isWanted.has(row.id) ? read.get(row.id) : before;
      if (!now) return []; // gone since
      return [{ ...(now.text === null && before ? before : now), rev: row.rev }];
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
