import { TooManyStreams } from "./stream.errors.ts";

/** How many long answers there are at once, of all and of one person. */
export class Places {
  readonly #most: number;
  readonly #mostOfPerson: number;
  readonly #ofPerson = new Map<string, number>();
  #taken = 0;

  constructor({ most, ofPerson }: { most: number; ofPerson: number }) {
    this.#most = most;
    this.#mostOfPerson = ofPerson;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Takes a place for this person; what it gives back frees it. @throws TooManyStreams */
  take(personId: string): () => void {
    const ofPerson = this.#ofPerson.get(personId) ?? 0;
    if (this.#taken >= this.#most || ofPerson >= this.#mostOfPerson) throw new TooManyStreams();
    this.#taken += 1;
    this.#ofPerson.set(personId, ofPerson + 1);
    return () => {
      this.#taken -= 1;
      const left = (this.#ofPerson.get(personId) ?? 1) - 1;
      if (left > 0) this.#ofPerson.set(personId, left);
      else this.#ofPerson.delete(personId);
    };
  }
}
