/** The state of a process. Streams end themselves when `draining` aborts. */
export class Lifecycle {
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

const lifecycles = new WeakMap<object, Lifecycle>();

/** The lifecycle of an app (`req.app` in a handler), made on first use. */
export function lifecycleOf(app: object): Lifecycle {
  let lifecycle = lifecycles.get(app);
  if (!lifecycle) {
    lifecycle = new Lifecycle();
    lifecycles.set(app, lifecycle);
  }
  return lifecycle;
}
