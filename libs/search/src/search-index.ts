import { IndexFull } from "./errors.ts";
import { bounded, holdsWords } from "./folding.ts";
import { PatientSet } from "./patient-set.ts";
import type { Hit, IndexedPatient, IndexedRow, PatientSearch, Place, RowSearch } from "./searched.ts";

export { PatientSet };

interface Entry {
  readonly number: number;
  patient: IndexedPatient | null;
  readonly rows: Map<string, IndexedRow>;
  chart: readonly Entry[];
}

/**
 * Patients and prescriptions in memory, for search. Which patients it holds whole it knows
 * (`isLoaded`); changes of others it does not take. It reads and writes nothing and checks no
 * access: who may be found is said by `among`.
 */
export class SearchIndex {
  readonly #maxBytes: number;
  readonly #entries = new Map<string, Entry>();
  readonly #ownerOfRow = new Map<string, Entry>();
  #bytes = 0;
  #patients = 0;

  constructor({ maxBytes }: { maxBytes: number }) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** How many patients it holds. */
  get patients(): number {
    return this.#patients;
  }

  get rows(): number {
    return this.#ownerOfRow.size;
  }

  isLoaded(id: string): boolean {
    return this.#loaded(id) !== undefined;
  }

  /** A patient with all rows, in place of what is there of them. Throws IndexFull. */
  putPatient(patient: IndexedPatient, rows: readonly IndexedRow[]): void {
    const held = rows.reduce((sum, { id }) => sum + this.#sizeOfRow(id), this.#sizeOfPatient(patient.id));
    const bytes = rows.reduce((sum, row) => sum + sizeOfRow(row), sizeOfPatient(patient));
    this.#requireRoom(bytes - held);
    this.#clear(patient.id);
    const entry = this.#entryOf(patient.id);
    this.#patients += 1;
    this.#bytes += sizeOfPatient(patient);
    entry.patient = patient;
    for (const row of rows) this.putRow(row);
  }

  /** A change of a patient that is loaded; of another, nothing is done. Throws IndexFull. */
  setPatient(patient: IndexedPatient): void {
    const entry = this.#loaded(patient.id);
    if (!entry?.patient) return;
    const grown = sizeOfPatient(patient) - sizeOfPatient(entry.patient);
    this.#requireRoom(grown);
    this.#bytes += grown;
    entry.patient = patient;
  }

  /** Forgets a patient, their rows, and in which chart they are. */
  removePatient(id: string): void {
    this.#clear(id);
    this.setChart([id]);
  }

  /** A new or changed row of a patient that is loaded; of another, none. Throws IndexFull. */
  putRow(row: IndexedRow): void {
    const entry = this.#loaded(row.patientId);
    if (entry) this.#requireRoom(sizeOfRow(row) - this.#sizeOfRow(row.id));
    this.removeRow(row.id);
    if (!entry) return;
    entry.rows.set(row.id, row);
    this.#ownerOfRow.set(row.id, entry);
    this.#bytes += sizeOfRow(row);
  }

  removeRow(id: string): void {
    this.#bytes -= this.#sizeOfRow(id);
    this.#ownerOfRow.get(id)?.rows.delete(id);
    this.#ownerOfRow.delete(id);
  }

  /** These patients, loaded or not, are one chart, with nobody else; a single one is on its own. */
  setChart(ids: readonly string[]): void {
    const members = [...new Set(ids)].map((id) => this.#entryOf(id));
    for (const member of members) {
      for (const mate of member.chart) mate.chart = mate.chart.filter((one) => one !== member);
    }
    for (const member of members) member.chart = members;
  }

  /**
   * A set to look among, of ids of 16 bytes each, and who of them is not loaded. It stays right
   * while patients are put and removed; who was missing is in it once loaded.
   */
  setOf(ids: Buffer): { set: PatientSet; missing: string[] } {
    const numbers = new Set<number>();
    const missing: string[] = [];
    for (let at = 0; at + 16 <= ids.length; at += 16) {
      const hex = ids.toString("hex", at, at + 16);
      const id = hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
      numbers.add(this.#entryOf(id).number);
      if (!this.isLoaded(id)) missing.push(id);
    }
    return { set: new PatientSet(this, numbers), missing };
  }

  /**
   * The rows each of whose words is part of their text or of a name of their chart, latest start
   * first, then highest id.
   */
  searchRows(search: RowSearch): Hit[] {
    const { words, among, from, to, status, after, limit } = search;
    const hits: Hit[] = [];
    if (words.length === 0) return hits;
    for (const { rows, chart } of this.#among(among)) {
      const names = chart.map(({ patient }) => patient?.name ?? "");
      for (const row of rows.values()) {
        if (status !== undefined && row.status !== status) continue;
        if ((from !== undefined || to !== undefined) && !row.isDated) continue;
        if ((from !== undefined && row.startDate < from) || (to !== undefined && row.startDate > to))
          continue;
        if (row.text !== null && !holdsWords([row.text, ...names], words)) continue;
        hits.push({ id: row.id, at: row.startDate });
      }
    }
    return firstOf(hits, after, limit);
  }

  /**
   * The patients that match, changed last first, then highest id; of one chart, the first that
   * matches.
   */
  searchPatients(search: PatientSearch): Hit[] {
    const { among, only, after, limit } = search;
    const chosen = only && new Set(only);
    const found = [...this.#among(among)].flatMap(({ patient, chart }) =>
      patient && isWanted(patient, search) && (!chosen || chosen.has(patient.id))
        ? [{ hit: { id: patient.id, at: patient.updatedAt.toISOString() }, chart }]
        : [],
    );
    const first = new Map<readonly Entry[], Hit>();
    for (const { hit, chart } of found) {
      const other = first.get(chart);
      if (!other || isBefore(hit, other)) first.set(chart, hit);
    }
    return firstOf([...first.values()], after, limit);
  }

  #loaded(id: string): Entry | undefined {
    const entry = this.#entries.get(id);
    return entry?.patient ? entry : undefined;
  }

  #entryOf(id: string): Entry {
    const known = this.#entries.get(id);
    if (known) return known;
    const entry: Entry = { number: this.#entries.size, patient: null, rows: new Map(), chart: [] };
    entry.chart = [entry];
    this.#entries.set(id, entry);
    return entry;
  }

  *#among(among: PatientSet | null): Generator<Entry> {
    if (among && among.index !== this)
      throw new Error("a set of patients is used with the index that made it");
    for (const entry of this.#entries.values()) {
      if (!among || among.numbers.has(entry.number)) yield entry;
    }
  }

  #clear(id: string): void {
    const entry = this.#loaded(id);
    if (!entry) return;
    for (const row of [...entry.rows.keys()]) this.removeRow(row);
    this.#bytes -= this.#sizeOfPatient(id);
    this.#patients -= 1;
    entry.patient = null;
  }

  #sizeOfPatient(id: string): number {
    const patient = this.#loaded(id)?.patient;
    return patient ? sizeOfPatient(patient) : 0;
  }

  #sizeOfRow(id: string): number {
    const row = this.#ownerOfRow.get(id)?.rows.get(id);
    return row ? sizeOfRow(row) : 0;
  }

  #requireRoom(bytes: number): void {
    if (bytes > 0 && this.#bytes + bytes > this.#maxBytes) throw new IndexFull();
  }
}

function isWanted(patient: IndexedPatient, { words, birthDate, fields = {} }: PatientSearch): boolean {
  if (words?.length === 0 || Object.values(fields).includes("")) return false;
  if (patient.name === null) return true; // damaged: it may be anyone
  if (words && !holdsWords([patient.name], words)) return false;
  if (birthDate !== undefined && patient.birthDate !== birthDate) return false;
  return Object.entries(fields).every(([field, part]) => bounded(patient.fields[field] ?? "").includes(part));
}

const isBefore = (a: Place, b: Place): boolean => a.at > b.at || (a.at === b.at && a.id > b.id);

const firstOf = (hits: readonly Hit[], after: Place | null, limit: number): Hit[] =>
  hits
    .filter((hit) => !after || isBefore(after, hit))
    .sort((a, b) => (isBefore(a, b) ? -1 : 1))
    .slice(0, limit);

const ENTRY_BYTES = 400;
const sizeOfRow = ({ text }: IndexedRow): number => ENTRY_BYTES + 2 * (text ?? "").length;
const sizeOfPatient = ({ name, fields }: IndexedPatient): number =>
  ENTRY_BYTES + 2 * ((name ?? "").length + JSON.stringify(fields).length);
