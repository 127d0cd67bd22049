import type { Db } from "@medvault/postgres";
import { type Claim, claimRows, type Lease } from "./relay.store.ts";

const END = Number.MAX_SAFE_INTEGER;
const MIN_LOOK_BACK_MS = 100;
/** How often it looks back though no row can be late: for those that no queue is bound to. */
const QUIET_LOOK_BACK_MS = 2_500;
/** Looking back takes at most a twentieth of the time. */
const LOOK_BACK_SHARE = 20;

interface Mark {
  position: number;
  /** Beyond every transaction that can have drawn a lower position. */
  xid: bigint;
}

/**
 * Where the relay stands in the outbox. Rows become visible in the order of commits, not of
 * positions: a long transaction's events appear below what was read. While it is open nothing
 * deleted since can be vacuumed, and reading from the start would wade through ever more dead rows.
 * So new rows are read from the cursor, and latecomers by looking back, seldom, from a floor: a
 * position below which every transaction has ended and nothing is left. A row that drew a position
 * below the cursor has a lower xid than any that began after the reading (the order of outbox's
 * columns sees to it): once these have ended, none is late any more.
 */
export class OutboxCursor {
  #cursor = 0;
  #floor = 0;
  #lookBackFrom = 0;
  /** The last reading of new rows, and the one that the floor waits for. */
  #latest: Mark | null = null;
  #mark: Mark | null = null;
  #mayBeLate = false;
  #lookedBackAt = Number.NEGATIVE_INFINITY;
  #pauseMs = MIN_LOOK_BACK_MS;

  /** Whether a row may yet appear below the cursor: no commit that is seen tells of it. */
  get mayBeLate(): boolean {
    return this.#mayBeLate;
  }

  /** Beyond this nothing was read. */
  get position(): number {
    return this.#cursor;
  }

  /** Whether nothing can be, nor appear, below the cursor. */
  get isSettled(): boolean {
    return this.#cursor === this.#floor;
  }

  /** Claims the next rows: latecomers when it is time to look for them, else new ones. */
  async next(db: Db, lease: Lease, limit: number): Promise<Claim & { isWhole: boolean }> {
    if (this.#cursor > this.#floor && performance.now() >= this.#lookedBackAt + this.#waitMs()) {
      const late = await this.#lookBack(db, lease, limit);
      if (late.rows.length > 0) return { ...late, isWhole: false };
    }
    const claim = await claimRows(db, lease, this.#cursor, END, limit);
    const last = claim.rows.at(-1);
    if (last !== undefined) {
      this.#cursor = last.position;
      this.#latest = { position: last.position, xid: claim.xmax };
      this.#mark ??= this.#latest;
      this.#mayBeLate ||= claim.xmin < claim.xmax;
    }
    return { ...claim, isWhole: claim.rows.length < limit };
  }

  /** Forgets what was read: it is all to be read again. */
  reset(): void {
    this.#cursor = this.#floor;
    this.#lookBackFrom = this.#floor;
    this.#mark = null;
    this.#latest = null;
    this.#mayBeLate = false;
  }

  #waitMs(): number {
    return this.#mayBeLate ? this.#pauseMs : Math.max(this.#pauseMs, QUIET_LOOK_BACK_MS);
  }

  async #lookBack(db: Db, lease: Lease, limit: number): Promise<Claim> {
    const startedAt = performance.now();
    const from = Math.max(this.#lookBackFrom, this.#floor);
    const claim = await claimRows(db, lease, from, this.#cursor, limit);
    const { rows, xmin } = claim;
    this.#lookedBackAt = performance.now();
    this.#pauseMs = Math.max(MIN_LOOK_BACK_MS, (this.#lookedBackAt - startedAt) * LOOK_BACK_SHARE);
    const isWhole = from === this.#floor && rows.length < limit;
    // Rows that stay (no queue is bound to them) must not hide those behind them: go round.
    this.#lookBackFrom = rows.length < limit ? this.#floor : (rows.at(-1)?.position ?? this.#floor);
    if (isWhole && xmin >= (this.#latest?.xid ?? 0n)) this.#mayBeLate = false;
    if (this.#mark !== null && xmin >= this.#mark.xid && from === this.#floor) {
      const first = rows[0]?.position ?? END;
      this.#floor = Math.max(this.#floor, Math.min(this.#mark.position, first - 1));
      const { position } = this.#mark;
      this.#mark = this.#latest !== null && this.#latest.position > position ? this.#latest : null;
    }
    return claim;
  }
}
