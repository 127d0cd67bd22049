import { readDocuments, requestDocuments } from "./search-document.store.ts";
import { layoutNow, openDocuments } from "./search-document.ts";
import { chartIds, type LoadedPatient, loadFromRows, type Place } from "./searched-row.store.ts";

/**
 * These patients with all of their rows: from their documents, where those were made of just the
 * rows that there are now, else from the rows. Then the document is written again, soon. Who is not
 * there, or has no key, is not.
 */
export async function loadPatients(place: Place, ids: readonly string[]): Promise<LoadedPatient[]> {
  const stored = await readDocuments(place.db, ids);
  const documents = await openDocuments(place.keyring, stored);
  const layout = layoutNow();
  const loaded: LoadedPatient[] = [];
  const others: string[] = [];
  for (const [at, { id, print, chart }] of stored.entries()) {
    const document = documents[at];
    if (document?.print === print && document.layout === layout) {
      loaded.push({ patient: document.patient, chart: chartIds(id, chart), rows: document.rows });
    } else others.push(id);
  }
  if (others.length === 0) return loaded;
  const fromRows = await loadFromRows(place, others);
  // Not asked for now is asked for at the next load of them.
  await requestDocuments(place.db, others).catch(() => undefined);
  return [...loaded, ...fromRows];
}
