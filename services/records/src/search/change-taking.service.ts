import { IndexFull, type SearchIndex } from "@medvault/search";
import type { SearchChange } from "./search-change.store.ts";
import { type Place, readPatients, readRows } from "./searched-row.store.ts";
import { chunksOf } from "./waiting.ts";

const IDS_PER_STATEMENT = 500;

/**
 * Reads again what changed of those who are loaded, and takes it into the index, or out of it where
 * it is not there any more. `onFull` is told of each who does not fit any more, and was taken out.
 */
export async function takeChanges(
  place: Place,
  index: SearchIndex,
  changes: readonly SearchChange[],
  onFull: (patientId: string) => void,
): Promise<void> {
  const put = (patientId: string, change: () => void): void => {
    try {
      change();
    } catch (error) {
      if (!(error instanceof IndexFull)) throw error;
      index.removePatient(patientId);
      onFull(patientId);
    }
  };
  const patients = changedPatients(changes).filter((id) => index.isLoaded(id));
  for (const ids of chunksOf(patients, IDS_PER_STATEMENT)) {
    const found = await readPatients(place, ids);
    const there = new Set(found.map(({ patient }) => patient.id));
    for (const id of ids) if (!there.has(id)) index.removePatient(id);
    for (const { patient, chart } of found) {
      put(patient.id, () => index.setPatient(patient));
      index.setChart(chart);
    }
  }
  const rows = changes.filter(({ patientId, rowId }) => rowId !== null && index.isLoaded(patientId));
  for (const some of chunksOf(rows, IDS_PER_STATEMENT)) {
    const ids = some.map(({ rowId }) => rowId as string);
    const found = new Map((await readRows(place, ids)).map((row) => [row.id, row]));
    for (const id of ids) if (!found.has(id)) index.removeRow(id);
    for (const row of found.values()) put(row.patientId, () => index.putRow(row));
  }
}

/** Those of whom more changed than their prescriptions: themselves, their chart, or their key. */
export const changedPatients = (changes: readonly SearchChange[]): string[] =>
  changes.flatMap(({ patientId, rowId }) => (rowId === null ? [patientId] : []));
