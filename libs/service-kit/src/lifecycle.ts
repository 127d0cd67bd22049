import { perApp } from "./per-app.ts";

/** The state of a process. Streams end themselves when `draining` aborts. */
class Lifecycle {
  #state: "ready" | "draining" = "ready";
  readonly #controller = new AbortController();

  get state(): "ready" | "draining" {
    return this.#state;
  }

  /** Aborts when the process is asked to stop, and ends long answers (event streams, exports). */
  get draining(): AbortSignal {
    return this.#controller.signal;
  }

  drain(): void {
    this.#state = "draining";
    this.#controller.abort();
  }
}

/** The lifecycle of an app. */
export const lifecycleOf = perApp(() => new Lifecycle());
