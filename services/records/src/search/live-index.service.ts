import { SearchLoading, SearchMemoryFull, Unavailable } from "@medvault/contracts";
import { IndexFull, type PatientSet, SearchIndex } from "@medvault/search";
import { changedPatients, takeChanges } from "./change-taking.service.ts";
import { loadPatients } from "./patient-load.service.ts";
import { type Position, readChanges, type SearchChange } from "./search-change.store.ts";
import { countPatients, type IndexPlace, type LoadedPatient, nextPatientIds } from "./searched-row.store.ts";
import { bounded, chunksOf, Shared, Slots, unlessAborted, waitingFor } from "./waiting.ts";

/** Of one load: two messages to the threads that open documents. */
const PATIENTS_PER_LOAD = 500;
/** Loads at once, of the process's connections. */
const LOADS_AT_ONCE = 3;
/** A search waits so long, for a reading and for who is missing; the gateway waits for 2.5 s. */
export const MAX_WAIT_MS = 1_800;
/** Changes for which all searches wait, some 50 ms. For more (an import), those who reach them. */
const MAX_TAKEN_AT_ONCE = 1_000;
const MAX_ABSENT = 100_000;
/** While everyone is loaded, readings go on that often. */
const READING_EVERY_MS = 1_000;
/** Once the memory was full, loading goes on when so much of it is free, or after so long. */
const FREE_TO_GO_ON = 0.05;
const FULL_MS = 60_000;

/**
 * `cold`: not begun; `loading`: everyone is being loaded; `whole`: everyone is loaded; `full`: not
 * everyone fits.
 */
export type Warmth = "cold" | "loading" | "whole" | "full";

/**
 * A process's index, and how it follows the rows. It holds patients whole or not at all, as they
 * were at the last reading of the changes; readings are one at a time. What is loaded may be newer
 * than the last reading, never older: a load that ends after a reading that says something of one
 * of its patients leaves that one out, and reads them again.
 */
export class LiveIndex {
  readonly #place: IndexPlace;
  readonly #maxBytes: number;
  #index: SearchIndex;
  #position: Position | null = null;
  #readAt = 0;
  #warmth: Warmth = "cold";
  /** Until there is room: what was in it when it was full, and when more was last tried. */
  #full: { bytes: number; triedAtMs: number } | null = null;
  #counted = 0;
  /** Who is in someone's reach and not there, or has no key: not asked for in vain. */
  readonly #absent = new Set<string>();
  /** Of everyone, those to be loaded again: more changed at once than each search waits for. */
  readonly #behind = new Set<string>();
  /** Of each load under way, of whom a reading said something meanwhile. */
  readonly #loads = new Set<Set<string>>();
  readonly #pending = new Shared();
  readonly #slots = new Slots(LOADS_AT_ONCE);
  /** What takes turns: readings, and loads that no reading may overtake. */
  #turn: Promise<unknown> = Promise.resolve();
  #nextReading: Promise<void> | null = null;
  #loadingAll: Promise<void> | null = null;
  #isTaking = false;
  /** Searches for which someone is being loaded. */
  #waiting = 0;
  #isStopped = false;
  readonly #refusal = () => (this.#full ? new SearchMemoryFull() : this.#loading());

  constructor(place: IndexPlace, maxBytes: number) {
    this.#place = place;
    this.#maxBytes = maxBytes;
    this.#index = new SearchIndex({ maxBytes });
  }

  get warmth(): Warmth {
    return this.#warmth;
  }

  get size(): Pick<SearchIndex, "bytes" | "patients" | "rows"> {
    return this.#index;
  }

  /** Since the last reading; infinite before the first. */
  get lagMs(): number {
    return this.#position ? performance.now() - this.#readAt : Number.POSITIVE_INFINITY;
  }

  /**
   * What committed before this call is in the index when it resolves. Those who wait share one
   * reading. Throws DatabaseUnavailable or Unavailable, and SearchLoading where there is too much
   * to take in.
   */
  fresh(until = waitingFor(MAX_WAIT_MS)): Promise<void> {
    this.#nextReading ??= this.#inTurn(async () => {
      this.#nextReading = null; // who comes from here on is not sure to be in it
      await this.#read();
    });
    return bounded(this.#nextReading, until, () => (this.#isTaking ? this.#loading() : new Unavailable()));
  }

  /**
   * Runs `search` on an index in which all of these patients (ids of 16 bytes each) are loaded, as
   * far as they are there. Throws SearchLoading, SearchMemoryFull, DatabaseUnavailable.
   */
  async among<T>(
    ids: Buffer,
    search: (index: SearchIndex, set: PatientSet) => T,
    until = waitingFor(MAX_WAIT_MS),
  ): Promise<T> {
    for (;;) {
      const { set, missing } = this.#index.setOf(ids);
      const unknown = missing.filter((id) => !this.#absent.has(id));
      if (unknown.length === 0) return search(this.#index, set);
      this.#waiting += 1;
      const loaded = this.#ensure(unknown).finally(() => {
        this.#waiting -= 1;
      });
      await bounded(loaded, until, this.#refusal);
    }
  }

  /** As among, of everyone. */
  async amongAll<T>(search: (index: SearchIndex) => T, until = waitingFor(MAX_WAIT_MS)): Promise<T> {
    for (;;) {
      if (this.#warmth === "whole" && this.#behind.size === 0) return search(this.#index);
      await bounded(this.loadAll(), until, this.#refusal);
      if (this.#warmth === "full") throw new SearchMemoryFull();
    }
  }

  /** Loads everyone who is not there yet, in the background of searches; waits until `signal`. */
  loadAll(signal?: AbortSignal): Promise<void> {
    if (this.#full && this.#index.bytes <= this.#full.bytes * (1 - FREE_TO_GO_ON)) this.#full = null;
    if (this.#full && this.#warmth === "full") {
      if (performance.now() < this.#full.triedAtMs + FULL_MS) return Promise.resolve();
      this.#full.triedAtMs = performance.now();
    }
    if (this.#warmth === "whole" && this.#behind.size === 0) return Promise.resolve();
    this.#loadingAll ??= this.#loadAll().finally(() => {
      this.#loadingAll = null;
    });
    return signal ? unlessAborted(this.#loadingAll, signal) : this.#loadingAll;
  }

  #fill(): void {
    this.#warmth = "full";
    this.#full ??= { bytes: this.#index.bytes, triedAtMs: performance.now() };
  }

  /** Resolves once nothing is under way any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.allSettled([this.#loadingAll, this.#slots.idle(), this.#turn]);
  }

  async #loadAll(): Promise<void> {
    if (this.#warmth !== "whole") await this.#loadPages();
    for (const ids of chunksOf([...this.#behind], PATIENTS_PER_LOAD)) await this.#loadAfterOthers(ids);
  }

  async #loadPages(): Promise<void> {
    await this.fresh();
    const index = this.#index;
    this.#warmth = "loading"; // from here on readings load who is new
    this.#counted = await countPatients(this.#place.db);
    const pages = this.#pages(index);
    // Some are read while others are opened and put in.
    const drain = async () => {
      for await (const ids of pages) await this.#loadAfterOthers(ids);
    };
    await Promise.all([drain(), drain()]);
    const isWhole = index === this.#index && !this.#isStopped && this.warmth === "loading";
    if (isWhole) [this.#warmth, this.#full] = ["whole", null];
  }

  /** Those of everyone who are not there yet, some at a time. */
  async *#pages(index: SearchIndex): AsyncGenerator<string[]> {
    for (let after: string | null = null; ; ) {
      if (performance.now() - this.#readAt > READING_EVERY_MS) await this.fresh();
      const ids = await nextPatientIds(this.#place.db, after, PATIENTS_PER_LOAD);
      if (this.#isStopped || index !== this.#index) return;
      yield ids.filter((id) => !index.isLoaded(id) && !this.#absent.has(id));
      after = ids.at(-1) ?? null;
      if (ids.length < PATIENTS_PER_LOAD) return;
    }
  }

  /** Those for whom somebody waits go first. */
  async #loadAfterOthers(ids: readonly string[]): Promise<void> {
    if (this.#waiting > 0) await this.#slots.idle();
    await this.#ensure(ids);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #read(): Promise<void> {
    const since = this.#position;
    const { isTooOld, changes, ...position } = await readChanges(this.#place.primary, since);
    if (since === null || isTooOld || position.tables !== since.tables) this.#forget();
    else {
      for (const changed of this.#loads) for (const { patientId } of changes) changed.add(patientId);
      this.#isTaking = true;
      await this.#take(changes).finally(() => {
        this.#isTaking = false;
      });
    }
    this.#position = position; // not before: a reading that failed midway is read again
    this.#readAt = performance.now();
  }

  #forget(): void {
    this.#index = new SearchIndex({ maxBytes: this.#maxBytes });
    this.#absent.clear();
    this.#behind.clear();
    this.#pending.clear();
    [this.#warmth, this.#full] = ["cold", null];
  }

  async #take(changes: readonly SearchChange[]): Promise<void> {
    const index = this.#index;
    const patients = changedPatients(changes);
    for (const id of patients) this.#absent.delete(id);
    const unknown = patients.filter((id) => !index.isLoaded(id));
    const isFollowing = this.#warmth === "loading" || this.#warmth === "whole";
    if (changes.length > MAX_TAKEN_AT_ONCE) {
      const outdated = changes.flatMap(({ patientId: id }) => (index.isLoaded(id) ? [id] : []));
      for (const id of outdated) index.removePatient(id);
      if (isFollowing) for (const id of [...outdated, ...unknown]) this.#behind.add(id);
      return;
    }
    await takeChanges(this.#place, index, changes, () => this.#fill());
    if (isFollowing) await this.#loadNew(unknown);
  }

  /** Who came since; where they do not fit, the index is not whole, and answers for the others. */
  async #loadNew(ids: readonly string[]): Promise<void> {
    try {
      for (const some of chunksOf(ids, PATIENTS_PER_LOAD)) await this.#loadNow(some);
    } catch (error) {
      if (!(error instanceof SearchMemoryFull)) throw error;
    }
  }

  #ensure(ids: readonly string[]): Promise<void> {
    return this.#pending.each(ids, PATIENTS_PER_LOAD, (some) => this.#slots.run(() => this.#load(some)));
  }

  /** Whom a reading said something of meanwhile is read again when none is under way. */
  async #load(ids: readonly string[]): Promise<void> {
    if (this.#isStopped) return;
    const index = this.#index;
    const changed = new Set<string>();
    this.#loads.add(changed);
    try {
      const found = await loadPatients(this.#place, ids);
      if (index !== this.#index) return;
      const unchanged = ids.filter((id) => !changed.has(id));
      this.#takeIn(unchanged, found);
    } finally {
      this.#loads.delete(changed);
    }
    const again = ids.filter((id) => changed.has(id));
    if (again.length > 0) await this.#inTurn(() => this.#loadNow(again));
  }

  /** Loads these in the turn of a reading. */
  async #loadNow(ids: readonly string[]): Promise<void> {
    const index = this.#index;
    const found = await loadPatients(this.#place, ids);
    if (index === this.#index) this.#takeIn(ids, found);
  }

  /** Throws SearchMemoryFull once they do not fit. */
  #takeIn(ids: readonly string[], found: readonly LoadedPatient[]): void {
    const there = new Map(found.map((one) => [one.patient.id, one]));
    for (const id of ids) {
      const one = there.get(id);
      this.#behind.delete(id);
      if (!one) {
        if (this.#absent.size >= MAX_ABSENT) this.#absent.clear();
        this.#absent.add(id);
        continue;
      }
      try {
        this.#index.putPatient(one.patient, one.rows);
      } catch (error) {
        if (!(error instanceof IndexFull)) throw error;
        this.#fill();
        throw new SearchMemoryFull();
      }
      this.#index.setChart(one.chart);
    }
  }

  #loading(): SearchLoading {
    const share = Math.min(99, Math.floor((100 * this.#index.patients) / (this.#counted || Infinity)));
    return new SearchLoading(share);
  }
}
