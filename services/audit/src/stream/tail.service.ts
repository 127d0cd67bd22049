import { setTimeout as delay } from "node:timers/promises";
import type { LogContext } from "../context.ts";
import { viewOf } from "../events/event.ts";
import { type LogRow, rowsFrom, tableSize } from "../log/log.store.ts";
import { entryFrame } from "./frame.ts";

const POLL_MS = 200;
/** Also without anything new: who waits has heartbeats to send. */
const WAKE_MS = 1_000;
const STEP_ROWS = 500;
/** What is kept for those who are a little behind: beyond, each reads the log for itself. */
const KEPT_ENTRIES = 2_000;
const KEPT_CHARS = 8 * 1024 * 1024;
/** So long an entry that is no writer's, or a hole, is waited for: the writer refuses meanwhile. */
const HOLD_MS = 60_000;

/** An entry, written down once for all who follow the log. */
export interface TailEntry {
  readonly row: LogRow;
  readonly frame: string;
}

/**
 * The end of the log, read once for all streams of this process while there are any. An append
 * commits behind the one before it alone (it waits for that one's lock on `writer`), so whatever is
 * visible has all that is before it visible too: an entry never comes late.
 */
export class Tail {
  readonly #log: Pick<LogContext, "pool" | "seal" | "logger">;
  #entries: TailEntry[] = [];
  #chars = 0;
  #next: number | null = null;
  #followers = 0;
  #heldSince: number | null = null;
  #wokeAt = 0;
  #fails = false;
  /** Those who wait for more, each called once. */
  readonly waiting = new Set<() => void>();

  constructor(log: Pick<LogContext, "pool" | "seal" | "logger">) {
    this.#log = log;
  }

  /** Begins to read for one more, who has to call `leave`. Gives the index after the last entry. */
  async join(): Promise<number> {
    this.#followers += 1;
    try {
      // Two who begin at once agree on the smaller: the other has read nothing yet.
      const size = this.#next ?? (await tableSize(this.#log.pool));
      if (this.#next === null) {
        this.#next = size;
        void this.#read();
      }
      return this.#next;
    } catch (error) {
      this.leave();
      throw error;
    }
  }

  leave(): void {
    this.#followers -= 1;
  }

  /** The index after the last entry that was read. */
  get next(): number {
    return this.#next ?? 0;
  }

  /** At most `limit` entries from index `from` on; null where they are not kept (any more). */
  from(from: number, limit: number): readonly TailEntry[] | null {
    const at = from - (this.next - this.#entries.length);
    return at < 0 ? null : this.#entries.slice(at, at + limit);
  }

  async #read(): Promise<void> {
    while (this.#followers > 0) {
      const isMore = await this.#step().catch((err: unknown) => {
        if (!this.#fails) this.#log.logger.warn({ err }, "the log cannot be read for its streams");
        this.#fails = true;
        return false;
      });
      if (performance.now() - this.#wokeAt > WAKE_MS) this.#wake();
      if (!isMore) await delay(POLL_MS, undefined, { ref: false });
    }
    [this.#entries, this.#chars, this.#next, this.#heldSince] = [[], 0, null, null];
  }

  /** Reads what is new; true where there may be more already. */
  async #step(): Promise<boolean> {
    const rows = await rowsFrom(this.#log.pool, this.next, Number.MAX_SAFE_INTEGER, STEP_ROWS);
    this.#fails = false;
    const before = this.next;
    for (const row of rows) {
      const view = viewOf(this.#log.seal, row);
      if ((row.idx !== this.next || view.damaged) && this.#holds()) break;
      this.#keep(row, entryFrame(view));
    }
    if (this.next === before) return false;
    this.#heldSince = null;
    this.#wake();
    return rows.length === STEP_ROWS;
  }

  #wake(): void {
    this.#wokeAt = performance.now();
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const wake of waiting) wake();
  }

  #holds(): boolean {
    this.#heldSince ??= performance.now();
    return performance.now() - this.#heldSince < HOLD_MS;
  }

  #keep(row: LogRow, frame: string): void {
    if (row.idx !== this.next) [this.#entries, this.#chars] = [[], 0]; // kept ones have no hole
    this.#entries.push({ row, frame });
    this.#chars += frame.length;
    this.#next = row.idx + 1;
    while (this.#entries.length > KEPT_ENTRIES || this.#chars > KEPT_CHARS)
      this.#chars -= this.#entries.shift()?.frame.length ?? 0;
  }
}
