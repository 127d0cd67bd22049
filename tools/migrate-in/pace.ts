import type { Output } from "../lib/command.ts";

const SHOWN_EVERY_MS = 250;
/** Where there is no terminal. */
const SAID_EVERY_MS = 30_000;

/** Shows how far a run is: percent, rows a second, and how long it will take. */
export class Pace {
  readonly #output: Output;
  readonly #isTerminal: boolean;
  readonly #begunAt = Date.now();
  #rows = 0;
  #shownAt = 0;
  #saidAt = Date.now();

  constructor(output: Output, isTerminal: boolean) {
    this.#output = output;
    this.#isTerminal = isTerminal;
  }

  get rows(): number {
    return this.#rows;
  }

  get seconds(): number {
    return (Date.now() - this.#begunAt) / 1_000;
  }

  get rowsPerSecond(): number {
    return Math.round(this.#rows / Math.max(0.001, this.seconds));
  }

  /** @param share of all that is to be read, from 0 to 1; null: nobody knows */
  row(title: string, share: number): void {
    this.#rows++;
    if (this.#rows % 64 !== 0) return;
    const now = Date.now();
    if (now - this.#shownAt >= SHOWN_EVERY_MS) {
      this.#shownAt = now;
      this.#output.progress(this.#line(title, share), Math.floor(share * 100), 100);
    }
    if (this.#isTerminal || now - this.#saidAt < SAID_EVERY_MS) return;
    this.#saidAt = now;
    this.#output.say(`${Math.floor(share * 100)} % ${this.#line(title, share)}`);
  }

  #line(title: string, share: number): string {
    const left = share > 0 ? durationText((this.seconds / share) * (1 - share)) : "?";
    return `${title}: ${this.#rows} rows, ${this.rowsPerSecond} rows/s, ${left} left`;
  }
}

export function durationText(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5_400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3_600).toFixed(1)} h`;
}
