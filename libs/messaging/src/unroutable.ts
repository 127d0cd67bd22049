import type { OutboxRow } from "./relay.store.ts";

const RETRY_MS = 5_000;
const MAX_REMEMBERED = 10_000;

/** Domain events that no queue was bound to: each is tried again after 2.5 to 5 s. */
export class Unroutable {
  /** When to try the event at a position again. */
  readonly #retryAt = new Map<number, number>();

  isDue({ position }: OutboxRow): boolean {
    return (this.#retryAt.get(position) ?? 0) <= performance.now();
  }

  /** Notes what came back, and what no longer does. Gives the types of what is new among it. */
  note(returned: readonly OutboxRow[], sent: readonly number[]): string[] {
    for (const position of sent) this.#retryAt.delete(position);
    if (this.#retryAt.size > MAX_REMEMBERED) this.#retryAt.clear();
    const retryAt = performance.now() + RETRY_MS * (0.5 + Math.random() / 2);
    const fresh = returned.filter(({ position }) => !this.#retryAt.has(position));
    for (const { position } of returned) this.#retryAt.set(position, retryAt);
    return fresh.map(({ type }) => type);
  }
}
