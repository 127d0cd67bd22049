import { TooManyStreams } from "./stream.errors.ts";

/** Of this process; the gateway has 512 calls to it at once, and others need some. */
const MAX_STREAMS = 400;
/** Nobody alone takes all of them. */
const MAX_OF_PERSON = 250;

/** The open streams of this process: how many there are, of whom, and what their ends still do. */
export class Streams {
  readonly heartbeatMs: number;
  readonly stalledMs: number;
  readonly #ofPerson = new Map<string, number>();
  readonly #ending = new Set<Promise<unknown>>();
  #open = 0;

  constructor(waits: { heartbeatMs: number; stalledMs: number }) {
    this.heartbeatMs = waits.heartbeatMs;
    this.stalledMs = waits.stalledMs;
  }

  get open(): number {
    return this.#open;
  }

  /** Takes a place for this person's stream; what it gives back frees it. @throws TooManyStreams */
  take(personId: string): () => void {
    const ofPerson = this.#ofPerson.get(personId) ?? 0;
    if (this.#open >= MAX_STREAMS || ofPerson >= MAX_OF_PERSON) throw new TooManyStreams();
    this.#open += 1;
    this.#ofPerson.set(personId, ofPerson + 1);
    return () => {
      this.#open -= 1;
      const left = (this.#ofPerson.get(personId) ?? 1) - 1;
      if (left > 0) this.#ofPerson.set(personId, left);
      else this.#ofPerson.delete(personId);
    };
  }

  /** A stop waits for this: the event of an end is written once its reader has gone. */
  ending(work: Promise<unknown>): void {
    this.#ending.add(work);
    void work.finally(() => this.#ending.delete(work));
  }

  async settled(): Promise<void> {
    await Promise.all(this.#ending);
  }
}
