import { closeSync, writeSync } from "node:fs";

/** A full pipe is tried again this often, this long apart; then the line is dropped. */
const BUSY = ["EAGAIN", "EINTR"];
const BUSY_TRIES = 5;
const BUSY_WAIT_MS = 2;
const CATCH_UP_MS = 1_000;

let droppedTotal = 0;

/** Log lines that this process could not write, since its start. */
export const droppedLines = (): number => droppedTotal;

/**
 * Where log lines go: a file descriptor. A line that cannot be written (the disk is full, the
 * reader is gone) is dropped and counted, never thrown: no line is worth a process.
 */
export class LineWriter {
  readonly #fd: number;
  readonly #noteOf: (dropped: number) => string;
  #unsaid = 0;
  #isTorn = false;
  #timer: NodeJS.Timeout | undefined;

  /** `noteOf` makes the line that says how many were dropped, as soon as one can be written. */
  constructor(fd: number, noteOf: (dropped: number) => string) {
    this.#fd = fd;
    this.#noteOf = noteOf;
  }

  /** Writes one line, which ends in a newline. */
  write(line: string): void {
    if (this.#catchUp(line)) return;
    this.#unsaid += 1;
    droppedTotal += 1;
    // Nobody may have anything to say for long after the disk has room again.
    this.#timer ??= setInterval(() => this.#catchUp(), CATCH_UP_MS).unref();
  }

  /** Closes the descriptor; nothing may be written after. */
  close(): void {
    clearInterval(this.#timer);
    closeSync(this.#fd);
  }

  /** Note and line together: a disk with room for the note alone would have it said again. */
  #catchUp(line = ""): boolean {
    const note = this.#unsaid > 0 ? this.#noteOf(this.#unsaid) : "";
    if (!this.#put(`${note}${line}`)) return false;
    this.#unsaid = 0;
    clearInterval(this.#timer);
    this.#timer = undefined;
    return true;
  }

  #put(line: string): boolean {
    const bytes = Buffer.from(this.#isTorn ? `\n${line}` : line);
    let at = 0;
    for (let busy = 0; at < bytes.length; ) {
      try {
        at += writeSync(this.#fd, bytes, at);
      } catch (error) {
        const waits = this.#unsaid === 0 && BUSY.includes((error as NodeJS.ErrnoException).code ?? "");
        if (!waits || ++busy > BUSY_TRIES) break;
        pause(BUSY_WAIT_MS);
      }
    }
    // A disk that is nearly full takes a part: what follows begins on a line of its own.
    if (at > 0) this.#isTorn = at < bytes.length;
    return at === bytes.length;
  }
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
