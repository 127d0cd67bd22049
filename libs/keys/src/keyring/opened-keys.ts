import type { SubjectKey } from "@medvault/crypto";

/** An opened key, as bytes that the cache owns. */
export interface OpenedKey extends SubjectKey {
  readonly key: Buffer;
}

/**
 * The last keys that were opened, keyed by what they were opened from: a key that was shredded or
 * rewrapped is simply not found again. Bounded; what leaves is wiped. A key got from here is used
 * at once, never kept across an await.
 */
export class OpenedKeys {
  readonly #opened = new Map<string, OpenedKey>();
  readonly #maxKeys: number;

  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys;
  }

  get size(): number {
    return this.#opened.size;
  }

  get(from: string, open: () => OpenedKey): OpenedKey {
    const known = this.#opened.get(from);
    const key = known ?? open();
    this.#opened.delete(from); // and set again below: a Map keeps the order of insertion, so the first is the oldest used
    this.#opened.set(from, key);
    if (this.#opened.size > this.#maxKeys) this.#evictOldest();
    return key;
  }

  wipe(): void {
    for (const { key } of this.#opened.values()) key.fill(0);
    this.#opened.clear();
  }

  #evictOldest(): void {
    for (const [from, { key }] of this.#opened) {
      this.#opened.delete(from);
      key.fill(0);
      return;
    }
  }
}
