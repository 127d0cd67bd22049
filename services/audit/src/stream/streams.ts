import { Places } from "./places.ts";

/** Of this process; the gateway has 512 calls to it at once, and others need some. */
const MAX_STREAMS = 400;
/** Nobody alone takes all of them. */
const MAX_OF_PERSON = 250;

/** The open streams of this process: how many there are, of whom, and what their ends still do. */
export class Streams {
  readonly heartbeatMs: number;
  readonly stalledMs: number;
  readonly #places = new Places({ most: MAX_STREAMS, ofPerson: MAX_OF_PERSON });
  readonly #ending = new Set<Promise<unknown>>();

  constructor(waits: { heartbeatMs: number; stalledMs: number }) {
    this.heartbeatMs = waits.heartbeatMs;
    this.stalledMs = waits.stalledMs;
  }

  get open(): number {
    return this.#places.taken;
  }

  /** Takes a place for this person's stream; what it gives back frees it. @throws TooManyStreams */
  take(personId: string): () => void {
    return this.#places.take(personId);
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
