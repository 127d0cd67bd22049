import type { Db } from "@medvault/postgres";
import { type OutboxRow, readOutbox } from "./relay.store.ts";

const END = Number.MAX_SAFE_INTEGER;
const MIN_LOOK_BACK_MS = 100;
/** Looking back takes at most a twentieth of the time. */
const LOOK_BACK_SHARE = 20;

interface Mark {
  position: number;
  xid: bigint;
}

/**
 * Where the relay stands in the outbox. Rows become visible in the order of commits, not of
 * positions: a long transaction's events appear below what was read. While it is open nothing
 * deleted since can be vacuumed, and reading from the start would wade through ever more dead rows.
 * So new rows are read from the cursor, and latecomers by looking back, seldom, from a floor: a
 * position below which every transaction has ended and nothing is left.
 */
export class OutboxCursor {
  #cursor = 0;
  #floor = 0;
  #lookBackFrom = 0;
  #mark: Mark | null = null;
  #latest: Mark | null = null;
  #nextLookBackAt = 0;

  /** The next rows: latecomers when it is time to look for them, else new ones. */
  async next(db: Db, limit: number): Promise<OutboxRow[]> {
    if (this.#cursor > this.#floor && performance.now() >= this.#nextLookBackAt) {
      const late = await this.#lookBack(db, limit);
      if (late.length > 0) return late;
    }
    const { rows } = await readOutbox(db, this.#cursor, END, limit);
    this.#cursor = rows.at(-1)?.position ?? this.#cursor;
    return rows;
  }

  /**
   * To be called with a transaction that began after the last `next`. A row that drew a position
   * below the cursor has a lower xid (the order of outbox's columns sees to it), so once xmin is
   * beyond, the cursor can become the floor.
   */
  passed(xid: bigint): void {
    this.#latest = { position: this.#cursor, xid };
    this.#mark ??= this.#latest;
  }

  /** Forgets what was read: it is all to be read again. */
  reset(): void {
    this.#cursor = this.#floor;
    this.#lookBackFrom = this.#floor;
    this.#mark = null;
    this.#latest = null;
  }

  async #lookBack(db: Db, limit: number): Promise<OutboxRow[]> {
    const startedAt = performance.now();
    const from = Math.max(this.#lookBackFrom, this.#floor);
    const { rows, xmin } = await readOutbox(db, from, this.#cursor, limit);
    const tookMs = performance.now() - startedAt;
    this.#nextLookBackAt = performance.now() + Math.max(MIN_LOOK_BACK_MS, tookMs * LOOK_BACK_SHARE);
    // Rows that stay (no queue is bound to them) must not hide those behind them: go round.
    this.#lookBackFrom = rows.length < limit ? this.#floor : (rows.at(-1)?.position ?? this.#floor);
    if (this.#mark !== null && xmin > this.#mark.xid && from === this.#floor) {
      const first = rows[0]?.position ?? END;
      this.#floor = Math.max(this.#floor, Math.min(this.#mark.position, first - 1));
      const { position } = this.#mark;
      this.#mark = this.#latest !== null && this.#latest.position > position ? this.#latest : null;
    }
    return rows;
  }
}
