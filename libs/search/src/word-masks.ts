import { Needle } from "./encoded-text.ts";
import type { Masks } from "./ordered-rows.ts";
import { distinct } from "./patient-set.ts";
import type { PatientTable } from "./patient-table.ts";
import { type TermTable, UNKNOWN } from "./term-table.ts";

/** The highest bit of a patient's mask: they are looked among. */
const AMONG = 1 << 7;
const WORDS_PER_ROUND = 7;

/** What is looked for: in a name (and a term), or in a field. */
interface Sought {
  readonly field: string | null;
  readonly needle: Needle;
}

/**
 * For each patient and each term a mask of which words they hold; up to 7 words a round, so that
 * masks are bytes and near the processor. */
export class WordMasks {
  readonly #patients: PatientTable;
  readonly #terms: TermTable;
  /** Of the first round, for every search again. */
  #ofPatients = new Uint8Array(0);
  #ofTerms = new Uint8Array(0);

  constructor(patients: PatientTable, terms: TermTable) {
    this.#patients = patients;
    this.#terms = terms;
  }

  get bytes(): number {
    return this.#ofPatients.byteLength + this.#ofTerms.byteLength;
  }

  /** What rows must have of these words; null if no row can have it. */
  ofRows(words: readonly string[], among: Uint32Array | null): Masks[] | null {
    if (among?.length === 0) return null;
    const numbers = among && this.#withMates(among);
    const rounds: Masks[] = [];
    for (const round of roundsOf(words, {})) {
      const isFirst = rounds.length === 0;
      const [patients, terms] = isFirst ? this.#again() : this.#more();
      const all = allOf(round);
      let inTerms = this.#terms.hasUnknown ? all : 0;
      for (const [n, { needle }] of round.entries()) {
        if (this.#terms.mark(needle, 1 << n, terms)) inTerms |= 1 << n;
      }
      // What is in no term must be in a name: then few names are left to be looked at for the rest.
      const ofNamesAlone = all & ~inTerms;
      this.#markNames(round, ofNamesAlone, patients, numbers);
      const left = ofNamesAlone === 0 ? numbers : this.#having(ofNamesAlone, patients, numbers);
      if (left?.length === 0 && ofNamesAlone !== 0) return null;
      this.#markNames(round, inTerms, patients, left);
      terms[UNKNOWN] = all;
      const isNarrow = isFirst && among !== null;
      if (isNarrow) for (const number of among) patients[number] = (patients[number] as number) | AMONG;
      rounds.push({ patients, terms, wanted: isNarrow ? all | AMONG : all });
    }
    return rounds;
  }

  /** What names and fields of patients must have. */
  ofPatients(
    words: readonly string[],
    fields: Readonly<Record<string, string>>,
    among: Uint32Array | null,
  ): PatientMasks {
    const rounds = roundsOf(words, fields).map((round, at): PatientMasks["rounds"][number] => {
      const [patients] = at === 0 ? this.#again() : this.#more();
      for (const [n, { field, needle }] of round.entries()) {
        this.#patients.mark(field, needle, 1 << n, patients, among);
      }
      const isNarrow = at === 0 && among !== null;
      if (isNarrow) for (const number of among) patients[number] = (patients[number] as number) | AMONG;
      return { patients, wanted: isNarrow ? allOf(round) | AMONG : allOf(round) };
    });
    return new PatientMasks(rounds, among !== null);
  }

  #again(): [Uint8Array, Uint8Array] {
    const [patients, terms] = [this.#patients.capacity, this.#terms.end];
    if (this.#ofPatients.length < patients) this.#ofPatients = new Uint8Array(patients);
    if (this.#ofTerms.length < terms) this.#ofTerms = new Uint8Array(Math.ceil(terms * 1.25));
    this.#ofPatients.fill(0);
    this.#ofTerms.fill(0);
    return [this.#ofPatients, this.#ofTerms];
  }

  #more(): [Uint8Array, Uint8Array] {
    return [new Uint8Array(this.#ofPatients.length), new Uint8Array(this.#ofTerms.length)];
  }

  /** These, and all others of their charts: a row is found by their names too. */
  #withMates(numbers: Uint32Array): Uint32Array {
    const { charts } = this.#patients;
    if (charts.size === 0) return numbers;
    const mates = [...numbers].flatMap((number) => charts.get(number) ?? []);
    return mates.length === 0 ? numbers : distinct(Uint32Array.from([...numbers, ...mates]));
  }

  /** Marks those of the words whose bits are set, in the names of whole charts. */
  #markNames(round: readonly Sought[], bits: number, masks: Uint8Array, numbers: Uint32Array | null): void {
    for (const [n, { needle }] of round.entries()) {
      if ((bits & (1 << n)) !== 0) this.#patients.mark(null, needle, 1 << n, masks, numbers);
    }
    this.#shareInCharts(masks);
  }

  #having(bits: number, masks: Uint8Array, numbers: Uint32Array | null): Uint32Array {
    const found: number[] = [];
    const end = numbers?.length ?? this.#patients.end;
    for (let n = 0; n < end; n += 1) {
      const number = numbers ? (numbers[n] as number) : n;
      if (((masks[number] as number) & bits) === bits) found.push(number);
    }
    return Uint32Array.from(found);
  }

  #shareInCharts(masks: Uint8Array): void {
    for (const [number, members] of this.#patients.charts) {
      if (members[0] !== number) continue;
      let all = 0;
      for (const member of members) all |= masks[member] as number;
      for (const member of members) masks[member] = all;
    }
  }
}

/** Who of the patients has all that is looked for. */
export class PatientMasks {
  readonly rounds: readonly { readonly patients: Uint8Array; readonly wanted: number }[];
  readonly #isNarrow: boolean;

  constructor(rounds: PatientMasks["rounds"], isNarrow: boolean) {
    this.rounds = rounds;
    this.#isNarrow = isNarrow;
  }

  isAmong(number: number): boolean {
    return !this.#isNarrow || ((this.rounds[0]?.patients[number] ?? 0) & AMONG) !== 0;
  }

  hasAll(number: number): boolean {
    for (const { patients, wanted } of this.rounds) if (patients[number] !== wanted) return false;
    return true;
  }
}

const allOf = (round: readonly Sought[]): number => 2 ** round.length - 1;

/** One round at least. What is part of a longer word is found with it. */
function roundsOf(words: readonly string[], fields: Readonly<Record<string, string>>): Sought[][] {
  const needed = [...new Set(words)].filter(
    (word, _, all) => !all.some((other) => other !== word && other.includes(word)),
  );
  const sought = [
    ...needed.map((word) => ({ field: null, needle: new Needle(word) })),
    ...Object.entries(fields).map(([field, part]) => ({ field, needle: new Needle(part) })),
  ];
  const rounds: Sought[][] = [sought.slice(0, WORDS_PER_ROUND)];
  for (let at = WORDS_PER_ROUND; at < sought.length; at += WORDS_PER_ROUND) {
    rounds.push(sought.slice(at, at + WORDS_PER_ROUND));
  }
  return rounds;
}
