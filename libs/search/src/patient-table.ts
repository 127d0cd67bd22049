import { birthNumber } from "./days.ts";
import { EncodedText, type Needle } from "./encoded-text.ts";
import { hashId, type IdWords, readId, writeId } from "./id-words.ts";
import { capacityFor, grown, PackedTexts } from "./packed-texts.ts";
import type { IndexedPatient } from "./searched.ts";
import { ShardedTable } from "./sharded-table.ts";

const SHARD_BITS = 6;
/** id, instant, birth date, count of rows, state */
const PATIENT_BYTES = 16 + 8 + 4 + 4 + 1;
const CHART_BYTES = 150;
const [LOADED, UNNAMED] = [1, 2];

/**
 * Patients by number. A number stays with its id for as long as the index lives, loaded or not, so
 * that a set of numbers never means somebody else.
 */
export class PatientTable {
  readonly names = new PackedTexts();
  readonly fields = new Map<string, PackedTexts>();
  /** The members of a merged chart, for each of them. */
  readonly charts = new Map<number, readonly number[]>();
  readonly #encoded = new EncodedText();
  readonly #id: IdWords = new Uint32Array(4);
  readonly #numbers = new ShardedTable(SHARD_BITS, (entry) => hashId(this.#ids, 4 * (entry - 1)));
  #ids = new Uint32Array(0);
  #updatedAt = new Float64Array(0);
  #births = new Uint32Array(0);
  #rows = new Uint32Array(0);
  #states = new Uint8Array(0);
  #end = 0;
  #loaded = 0;

  /** Numbers go up to this one, without it. */
  get end(): number {
    return this.#end;
  }

  get loaded(): number {
    return this.#loaded;
  }

  get capacity(): number {
    return this.#states.length;
  }

  get bytes(): number {
    const texts = [...this.fields.values()].reduce((sum, field) => sum + field.bytes, this.names.bytes);
    const charts = this.charts.size * CHART_BYTES;
    return this.capacity * PATIENT_BYTES + this.#numbers.bytes + charts + texts;
  }

  /** At most so many bytes are added with this patient. */
  growthOf({ name, fields }: IndexedPatient): number {
    const texts = Object.entries(fields).map(([field, text]) => {
      const texts = this.fields.get(field) ?? new PackedTexts();
      return texts.growthOf(this.#end + 1, 3 * text.length);
    });
    const columns = this.#end < this.capacity ? 0 : capacityFor(this.#end + 1, this.capacity) * PATIENT_BYTES;
    const growth = this.names.growthOf(this.#end + 1, 3 * (name ?? "").length) + this.#numbers.growthOf(1);
    return texts.reduce((sum, one) => sum + one, growth + columns);
  }

  /** The number of who has this id, loaded; otherwise -1. */
  loadedNumber(id: string): number {
    readId(id, this.#id);
    const number = this.#find();
    return number >= 0 && this.isLoaded(number) ? number : -1;
  }

  /** The number of who has this id, given now if there is none. */
  numberOf(id: string): number {
    readId(id, this.#id);
    return this.#numbered();
  }

  /** As `numberOf`, of the 16 bytes that begin there. */
  numberAt(ids: Buffer, at: number): number {
    for (let n = 0; n < 4; n += 1) this.#id[n] = ids.readUInt32BE(at + 4 * n);
    return this.#numbered();
  }

  idOf(number: number): string {
    return writeId(this.#ids, 4 * number);
  }

  isLoaded(number: number): boolean {
    return ((this.#states[number] as number) & LOADED) !== 0;
  }

  /** Loaded, and damaged: whose name is not known. */
  isUnnamed(number: number): boolean {
    return ((this.#states[number] as number) & UNNAMED) !== 0;
  }

  birth(number: number): number {
    return this.#births[number] as number;
  }

  updatedAt(number: number): number {
    return this.#updatedAt[number] as number;
  }

  rowsOf(number: number): number {
    return this.#rows[number] as number;
  }

  countRows(number: number, more: number): void {
    this.#rows[number] = this.rowsOf(number) + more;
  }

  /** Above 0 if `a` stands after `b` in the order of lists: changed last first, then highest id. */
  compare(a: number, b: number): number {
    const difference = this.updatedAt(b) - this.updatedAt(a);
    for (let n = 0; difference === 0 && n < 4; n += 1) {
      const words = (this.#ids[4 * b + n] as number) - (this.#ids[4 * a + n] as number);
      if (words !== 0) return words;
    }
    return difference;
  }

  /** As `compare`, of a place that need not be there. */
  compareTo(a: number, updatedAt: number, id: IdWords): number {
    const difference = updatedAt - this.updatedAt(a);
    for (let n = 0; difference === 0 && n < 4; n += 1) {
      const words = (id[n] as number) - (this.#ids[4 * a + n] as number);
      if (words !== 0) return words;
    }
    return difference;
  }

  set(number: number, { updatedAt, name, birthDate, fields }: IndexedPatient): void {
    if (!this.isLoaded(number)) this.#loaded += 1;
    this.#states[number] = name === null ? LOADED | UNNAMED : LOADED;
    this.#updatedAt[number] = updatedAt.getTime();
    this.#births[number] = birthNumber(birthDate);
    this.names.put(number, this.#encoded.set(name ?? ""));
    for (const [field, texts] of this.fields) if (!Object.hasOwn(fields, field)) texts.clear(number);
    for (const [field, text] of Object.entries(fields)) {
      const texts = this.fields.get(field) ?? new PackedTexts();
      this.fields.set(field, texts);
      texts.put(number, this.#encoded.set(text));
    }
    this.#encoded.clear();
  }

  /** Nothing but the id is left. */
  clear(number: number): void {
    this.#loaded -= 1;
    this.#states[number] = 0;
    this.#updatedAt[number] = 0;
    this.#births[number] = 0;
    for (const texts of [this.names, ...this.fields.values()]) texts.clear(number);
  }

  /** These are one chart, and in none with others. */
  setChart(numbers: readonly number[]): void {
    for (const number of numbers) {
      const rest = (this.charts.get(number) ?? []).filter((mate) => !numbers.includes(mate));
      for (const mate of rest) this.#join(mate, rest);
    }
    for (const number of numbers) this.#join(number, numbers);
  }

  /** Marks names, or a field, as {@link PackedTexts.mark} does. */
  mark(field: string | null, needle: Needle, bit: number, masks: Uint8Array, numbers: Uint32Array | null) {
    const texts = field === null ? this.names : this.fields.get(field);
    return texts?.mark(needle, bit, masks, numbers, this.#end) ?? false;
  }

  #numbered(): number {
    const known = this.#find();
    if (known >= 0) return known;
    const number = this.#end;
    if (number === this.capacity) this.#grow();
    this.#ids.set(this.#id, 4 * number);
    this.#end += 1;
    this.#numbers.add(hashId(this.#id, 0), number + 1);
    return number;
  }

  #join(number: number, members: readonly number[]): void {
    if (members.length > 1) this.charts.set(number, members);
    else this.charts.delete(number);
  }

  #find(): number {
    const id = this.#id;
    return (
      this.#numbers.find(hashId(id, 0), (entry) => {
        const at = 4 * (entry - 1);
        for (let n = 0; n < 4; n += 1) if (this.#ids[at + n] !== id[n]) return false;
        return true;
      }) - 1
    );
  }

  #grow(): void {
    const capacity = capacityFor(this.#end + 1, this.capacity);
    this.#ids = grown(this.#ids, 4 * capacity);
    this.#updatedAt = grown(this.#updatedAt, capacity);
    this.#births = grown(this.#births, capacity);
    this.#rows = grown(this.#rows, capacity);
    this.#states = grown(this.#states, capacity);
  }
}
