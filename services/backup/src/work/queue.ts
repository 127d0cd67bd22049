import type { ArchiveContext } from "../context.ts";

/** Work that goes on after an answer has left, one piece at a time. */
export class WorkQueue {
  readonly #logger: ArchiveContext["logger"];
  readonly #apart: <T>(work: () => T) => T;
  readonly #stopping = new AbortController();
  readonly #begun = new Set<string>();
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** `apart` runs work apart from the request that asks for it, which has a deadline. */
  constructor(logger: ArchiveContext["logger"], apart: <T>(work: () => T) => T = (work) => work()) {
    this.#logger = logger;
    this.#apart = apart;
  }

  /** Aborts when the queue is stopped: what is under way then ends early, and counts as failed. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Begins work on the row `id`, after all that was asked for before. A fault is logged. */
  begin(id: string, work: () => Promise<void>): void {
    this.#begun.add(id);
    this.run(work)
      .catch((err: unknown) => this.#logger.error({ err, backupId: id }, "background work failed"))
      .finally(() => this.#begun.delete(id));
  }

  /** Whether work on this row waits or is under way here. */
  hasBegun(id: string): boolean {
    return this.#begun.has(id);
  }

  /** Runs `work` after all that was asked for before: no blob is swept while one is copied. */
  run<T>(work: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    const turn = this.#last
      .then(() => this.#apart(work))
      .finally(() => {
        this.#waiting -= 1;
      });
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** As `run`, but leaves it for another time while anything else waits or is under way. */
  async runIfIdle(work: () => Promise<void>): Promise<void> {
    if (this.#waiting === 0) await this.run(work);
  }

  /** Ends what is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#last;
  }
}
