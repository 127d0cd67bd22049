import type { DerivingKey, SubjectKey } from "@medvault/crypto";

/** An opened key, as bytes that the cache owns. */
export interface OpenedKey extends SubjectKey {
  readonly key: Buffer;
  readonly deriving: DerivingKey;
}

interface Kept {
  /** The bytes that it was opened from, in latin1: text keeps no pool of Buffers in memory. */
  readonly from: string;
  readonly opened: OpenedKey;
  isUsed: boolean;
}

/**
 * The last keys that were opened, one for each place that keys stand in, with what it was opened
 * from: one that was shredded or rewrapped since is not served, and wiped once its place has
 * another. Bounded; what leaves is wiped. A key got from here is used at once, never kept across an
 * await.
 */
export class OpenedKeys {
  readonly #kept = new Map<string, Kept>();
  readonly #maxKeys: number;

  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys;
  }

  get size(): number {
    return this.#kept.size;
  }

  get(place: string, wrapped: Buffer, open: () => OpenedKey): OpenedKey {
    const from = wrapped.toString("latin1");
    const known = this.#kept.get(place);
    if (known?.from === from) {
      known.isUsed = true; // to keep them in the order of their use would cost more than to find one
      return known.opened;
    }
    const opened = open();
    if (known) wipe(known);
    if (known === undefined && this.#kept.size >= this.#maxKeys) this.#evictOne();
    this.#kept.set(place, { from, opened, isUsed: false });
    return opened;
  }

  wipe(): void {
    for (const kept of this.#kept.values()) wipe(kept);
    this.#kept.clear();
  }

  /**
   * The oldest that was not used since it was last looked at. Of those that were, each stays once.
   */
  #evictOne(): void {
    for (const [place, kept] of this.#kept) {
      this.#kept.delete(place);
      if (!kept.isUsed) {
        wipe(kept);
        return;
      }
      kept.isUsed = false;
      this.#kept.set(place, kept); // as the newest: this loop comes to it last
    }
  }
}

function wipe({ opened }: Kept): void {
  opened.key.fill(0);
  opened.deriving.wipe();
}
