import { holdsWords } from "../src/folding.ts";
import type { Hit, IndexedPatient, IndexedRow, PatientSearch, Place, RowSearch } from "../src/searched.ts";

/** What the index promises, said in lists: the tests compare the two. */
export class PlainIndex {
  readonly patients = new Map<string, IndexedPatient>();
  readonly rows = new Map<string, IndexedRow>();
  readonly charts = new Map<string, ReadonlySet<string>>();

  putPatient(patient: IndexedPatient, rows: readonly IndexedRow[]): void {
    this.#forget(patient.id);
    this.patients.set(patient.id, patient);
    for (const row of rows) this.rows.set(row.id, row);
  }

  setPatient(patient: IndexedPatient): void {
    if (this.patients.has(patient.id)) this.patients.set(patient.id, patient);
  }

  removePatient(id: string): void {
    this.#forget(id);
    this.setChart([id]);
  }

  putRow(row: IndexedRow): void {
    this.rows.delete(row.id);
    if (this.patients.has(row.patientId)) this.rows.set(row.id, row);
  }

  removeRow(id: string): void {
    this.rows.delete(id);
  }

  setChart(ids: readonly string[]): void {
    for (const [id, mates] of this.charts) {
      this.charts.set(id, new Set([...mates].filter((mate) => !ids.includes(mate))));
    }
    for (const id of ids) this.charts.set(id, new Set(ids));
  }

  searchRows(search: Omit<RowSearch, "among">, among: ReadonlySet<string> | null): Hit[] {
    const { words, from, to, status, after, limit } = search;
    const found = [...this.rows.values()].filter((row) => {
      const names = this.#chartOf(row.patientId).map((id) => this.patients.get(id)?.name ?? "");
      const isRange = from !== undefined || to !== undefined;
      return (
        (!among || among.has(row.patientId)) &&
        (status === undefined || row.status === status) &&
        (!isRange || row.isDated) &&
        (from === undefined || row.startDate >= from) &&
        (to === undefined || row.startDate <= to) &&
        words.length > 0 &&
        (row.text === null || holdsWords([row.text, ...names], words))
      );
    });
    return page(
      found.map(({ id, startDate }) => ({ id, at: startDate })),
      after,
      limit,
    );
  }

  searchPatients(search: Omit<PatientSearch, "among">, among: ReadonlySet<string> | null): Hit[] {
    const { words, birthDate, fields = {}, only, after, limit } = search;
    const found = [...this.patients.values()].filter((patient) => {
      if (among && !among.has(patient.id)) return false;
      if (only && !only.includes(patient.id)) return false;
      if (words?.length === 0 || Object.values(fields).includes("")) return false;
      if (patient.name === null) return true;
      return (
        (!words || holdsWords([patient.name], words)) &&
        (birthDate === undefined || patient.birthDate === birthDate) &&
        Object.entries(fields).every(([field, part]) => patient.fields[field]?.includes(part))
      );
    });
    const hits = found.map(({ id, updatedAt }) => ({ id, at: updatedAt.toISOString() }));
    const first = hits.filter(
      (hit) => !hits.some((other) => this.#chartOf(hit.id).includes(other.id) && order(other, hit) < 0),
    );
    return page(first, after, limit);
  }

  #chartOf = (id: string): string[] => [...(this.charts.get(id) ?? [id])];

  #forget(id: string): void {
    this.patients.delete(id);
    for (const row of [...this.rows.values()]) if (row.patientId === id) this.rows.delete(row.id);
  }
}

const order = (a: Place, b: Place): number => {
  if (a.at !== b.at) return a.at > b.at ? -1 : 1;
  return a.id === b.id ? 0 : a.id > b.id ? -1 : 1;
};

const page = (hits: Hit[], after: Place | null, limit: number): Hit[] =>
  hits
    .filter((hit) => !after || order(after, hit) < 0)
    .sort(order)
    .slice(0, limit);
