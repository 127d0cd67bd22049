/** Exponential with jitter: half to the whole of `firstMs * 2^failures`, at most `maxMs`. */
export function backoffMs(failures: number, firstMs: number, maxMs: number): number {
  const full = Math.min(maxMs, firstMs * 2 ** Math.min(failures, 30));
  return full * (0.5 + Math.random() / 2);
}

/** Resolves with whether the promise settles within the time; never rejects. */
export async function settlesWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  const settled = promise.then(
    () => true,
    () => true,
  );
  const answer = await Promise.race([settled, late]);
  clearTimeout(timer);
  return answer;
}

/** A sleep that can be cut short: `wake` ends the present one, or the next if there is none. */
export class Alarm {
  #wake: (() => void) | null = null;
  #ringing = false;

  wake(): void {
    this.#ringing = true;
    this.#wake?.();
  }

  /** Forgets that it was woken. */
  hush(): void {
    this.#ringing = false;
  }

  async sleep(ms: number): Promise<void> {
    if (!this.#ringing) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = null;
    }
    this.#ringing = false;
  }
}
