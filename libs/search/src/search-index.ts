import { birthNumber, dayOf } from "./days.ts";
import { IndexFull } from "./errors.ts";
import { FirstNumbers } from "./first-numbers.ts";
import { type IdWords, readId } from "./id-words.ts";
import { OrderedRows } from "./ordered-rows.ts";
import { distinct, PatientSet } from "./patient-set.ts";
import { PatientTable } from "./patient-table.ts";
import { RowDays } from "./row-days.ts";
import type { Hit, IndexedPatient, IndexedRow, PatientSearch, RowSearch } from "./searched.ts";
import { TermTable } from "./term-table.ts";
import { WordMasks } from "./word-masks.ts";

export type { PatientSet };

const ID_BYTES = 16;
const DATED = 0x80;
const MAX_STATUSES = 0x80;
/** A day after all others, and the highest id. */
const END_OF_TIME = 2 ** 22;
const HIGHEST_ID: IdWords = new Uint32Array(4).fill(0xffff_ffff);
/** Buffers of one length, whatever is in the index. */
const FIXED_BYTES = 100_000;
const UTF8_BYTES = 3;

/**
 * Patients and prescriptions in memory, for search. Which patients it holds whole it knows
 * (`isLoaded`); changes of others it does not take. It reads and writes nothing and checks no
 * access: who may be found is said by `among`.
 */
export class SearchIndex {
  readonly #maxBytes: number;
  readonly #patients = new PatientTable();
  readonly #terms = new TermTable();
  readonly #rows = new OrderedRows();
  readonly #days = new RowDays((day, id) => this.#rows.has(day, id));
  readonly #masks = new WordMasks(this.#patients, this.#terms);
  readonly #statuses: string[] = [];
  readonly #id: IdWords = new Uint32Array(4);

  constructor({ maxBytes }: { maxBytes: number }) {
    this.#maxBytes = maxBytes;
  }

  /** What it takes of the process's memory. */
  get bytes(): number {
    const parts = [this.#patients, this.#terms, this.#rows, this.#days, this.#masks];
    return parts.reduce((sum, part) => sum + part.bytes, FIXED_BYTES);
  }

  /** How many patients it holds. */
  get patients(): number {
    return this.#patients.loaded;
  }

  get rows(): number {
    return this.#rows.size;
  }

  isLoaded(id: string): boolean {
    return this.#patients.loadedNumber(id) >= 0;
  }

  /**
   * A patient with all rows, in place of what is there of them. Throws IndexFull, and RangeError
   * for an id or a day that is none.
   */
  putPatient(patient: IndexedPatient, rows: readonly IndexedRow[]): void {
    for (const row of rows) this.#check(row);
    this.#requireRoom(this.#patients.growthOf(patient) + this.#growthOf(rows));
    const number = this.#patients.numberOf(patient.id);
    this.#removeRowsOf(number);
    this.#patients.set(number, patient);
    for (const row of rows) this.#put(number, row);
  }

  /** A change of a patient that is loaded; of another, nothing is done. Throws IndexFull. */
  setPatient(patient: IndexedPatient): void {
    const number = this.#patients.loadedNumber(patient.id);
    if (number < 0) return;
    this.#requireRoom(this.#patients.growthOf(patient));
    this.#patients.set(number, patient);
  }

  /** Forgets a patient, their rows, and in which chart they are. */
  removePatient(id: string): void {
    const number = this.#patients.loadedNumber(id);
    if (number >= 0) {
      this.#removeRowsOf(number);
      this.#patients.clear(number);
    }
    this.setChart([id]);
  }

  /** A new or changed row of a patient that is loaded; of another, none. Throws IndexFull. */
  putRow(row: IndexedRow): void {
    const number = this.#patients.loadedNumber(row.patientId);
    this.#check(row);
    if (number < 0) {
      this.removeRow(row.id);
      return;
    }
    this.#requireRoom(this.#growthOf([row]));
    this.#put(number, row);
  }

  removeRow(id: string): void {
    readId(id, this.#id);
    this.#remove(this.#id);
  }

  /** These patients, loaded or not, are one chart, with nobody else; a single one is on its own. */
  setChart(ids: readonly string[]): void {
    this.#patients.setChart([...new Set(ids)].map((id) => this.#patients.numberOf(id)));
  }

  /**
   * A set to look among, of ids of 16 bytes each, and who of them is not loaded. It stays right
   * while patients are put and removed; who was missing is in it once loaded.
   */
  setOf(ids: Buffer): { set: PatientSet; missing: string[] } {
    const numbers = new Uint32Array(Math.floor(ids.length / ID_BYTES));
    const missing: string[] = [];
    for (let n = 0; n < numbers.length; n += 1) {
      const number = this.#patients.numberAt(ids, n * ID_BYTES);
      if (!this.#patients.isLoaded(number)) missing.push(this.#patients.idOf(number));
      numbers[n] = number;
    }
    return { set: new PatientSet(this, distinct(numbers)), missing };
  }

  /**
   * The rows each of whose words is part of their text or of a name of their chart, latest start
   * first, then highest id.
   */
  searchRows({ words, among, from, to, status, after, limit }: RowSearch): Hit[] {
    const ofStatus = status === undefined ? 0 : this.#statuses.indexOf(status);
    if (words.length === 0 || limit < 1 || ofStatus < 0) return [];
    const [masks, ...further] = this.#masks.ofRows(words, this.#numbersOf(among)) ?? [];
    if (!masks) return [];
    const isRange = from !== undefined || to !== undefined;
    const last = to === undefined ? END_OF_TIME : dayOf(to);
    const isAfterStart = after !== null && dayOf(after.at) <= last;
    if (isAfterStart) readId(after.id, this.#id);
    return this.#rows.scan({
      ...{ masks, further, limit, isAfterStart },
      flagMask: (status === undefined ? 0 : MAX_STATUSES - 1) | (isRange ? DATED : 0),
      flags: ofStatus | (isRange ? DATED : 0),
      from: from === undefined ? 0 : dayOf(from),
      start: isAfterStart ? { day: dayOf(after.at), id: this.#id } : { day: last, id: HIGHEST_ID },
    });
  }

  /**
   * The patients that match, changed last first, then highest id; of one chart, the first that
   * matches.
   */
  searchPatients({ words, birthDate, fields = {}, only, among, after, limit }: PatientSearch): Hit[] {
    if (words?.length === 0 || Object.values(fields).includes("") || limit < 1) return [];
    const patients = this.#patients;
    const numbers = this.#chosen(this.#numbersOf(among), only);
    const masks = this.#masks.ofPatients(words ?? [], fields, numbers);
    const birth = birthDate === undefined ? 0 : birthNumber(birthDate) || -1;
    const isMatch = (number: number): boolean => {
      if (patients.isUnnamed(number)) return masks.isAmong(number);
      return (
        masks.hasAll(number) && patients.isLoaded(number) && (!birth || patients.birth(number) === birth)
      );
    };
    const compare = (a: number, b: number) => patients.compare(a, b);
    const first = new FirstNumbers(limit, compare);
    const afterAt = after ? Date.parse(after.at) : 0;
    if (after) readId(after.id, this.#id);
    const end = numbers?.length ?? patients.end;
    for (let n = 0; n < end; n += 1) {
      const number = numbers ? (numbers[n] as number) : n;
      if (!isMatch(number) || (after && patients.compareTo(number, afterAt, this.#id) <= 0)) continue;
      const mates = patients.charts.get(number);
      if (mates?.some((mate) => mate !== number && isMatch(mate) && compare(mate, number) < 0)) continue;
      first.add(number);
    }
    return first.inOrder().map((number) => ({
      id: patients.idOf(number),
      at: new Date(patients.updatedAt(number)).toISOString(),
    }));
  }

  #numbersOf(among: PatientSet | null): Uint32Array | null {
    if (among === null) return null;
    if (among.index !== this) throw new Error("a set of patients is used with the index that made it");
    return among.numbers;
  }

  #chosen(among: Uint32Array | null, only: readonly string[] | undefined): Uint32Array | null {
    if (!only) return among;
    const reached = among && new Set(among);
    const numbers = only.map((id) => this.#patients.loadedNumber(id));
    return distinct(Uint32Array.from(numbers.filter((one) => one >= 0 && (!reached || reached.has(one)))));
  }

  #check({ id, startDate, status }: IndexedRow): void {
    readId(id, this.#id);
    dayOf(startDate);
    if (!this.#statuses.includes(status)) this.#statuses.push(status);
    if (this.#statuses.length > MAX_STATUSES) throw new RangeError("there are too many statuses");
  }

  #growthOf(rows: readonly IndexedRow[]): number {
    const { length } = rows;
    const bytes = rows.reduce((sum, { text }) => sum + UTF8_BYTES * (text ?? "").length, 0);
    return this.#rows.growthOf(length) + this.#days.growthOf(length) + this.#terms.growthOf(length, bytes);
  }

  #requireRoom(bytes: number): void {
    if (this.bytes + bytes > this.#maxBytes) throw new IndexFull();
  }

  #put(patient: number, { id, text, startDate, isDated, status }: IndexedRow): void {
    const term = this.#terms.take(text); // first, so that an unchanged text is not packed again
    readId(id, this.#id);
    this.#remove(this.#id);
    const day = dayOf(startDate);
    this.#days.add(this.#id, 0, day);
    const flags = this.#statuses.indexOf(status) | (isDated ? DATED : 0);
    this.#rows.insert(day, this.#id, { patient, term, flags });
    this.#patients.countRows(patient, 1);
  }

  #remove(id: IdWords): void {
    const day = this.#days.find(id);
    if (day < 0) return;
    const { patient, term } = this.#rows.remove(day, id);
    this.#days.remove(id, 0, day);
    this.#terms.release(term);
    this.#patients.countRows(patient, -1);
  }

  #removeRowsOf(number: number): void {
    const count = this.#patients.rowsOf(number);
    if (count === 0) return;
    this.#rows.removeOf(number, (ids, at, day, term) => {
      this.#days.remove(ids, at, day);
      this.#terms.release(term);
    });
    this.#patients.countRows(number, -count);
  }
}
