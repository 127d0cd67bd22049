import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import type { Dispatcher } from "undici";
import { AnswerTimeout, ClientGone, SlowReader } from "./proxy.errors.ts";

/** A call of the gateway's own; with a body it is JSON. */
export type Asked = [
  path: string,
  headers: Record<string, string>,
  timeoutMs: number,
  method?: "GET" | "POST",
  body?: object,
];

/** How much of an answer is held until its client takes it: what one read of a socket brings. */
const HELD_BYTES = 64 * 1024;

/** Whether the client is still there. (An AbortSignal a request costs ten times as much.) */
export class Departure {
  gone = false;
  onGone: (() => void) | null = null;

  leave(): void {
    this.gone = true;
    this.onGone?.();
  }
}

/** The answer of a service, from its headers on. Its body must be sent on or discarded. */
export interface UpstreamAnswer {
  readonly statusCode: number;
  readonly headers: IncomingHttpHeaders;
  /**
   * Writes the body to `res` and ends it; the slower side sets the pace. An answer that breaks off
   * destroys `res`, and so does a client that reads nothing for `idleTimeoutMs`.
   */
  sendTo(res: ServerResponse, idleTimeoutMs: number): void;
  /** Ends what is being sent as if it were whole: for event streams, while the gateway stops. */
  finish(): void;
  discard(): void;
}

/**
 * One call to a service: undici's events become a promise of the answer, then go straight into the
 * client's response. Streams in between (and pipeline(), which aborts a signal at each end) took a
 * third of the gateway's time.
 */
export class Exchange implements Dispatcher.DispatchHandler, UpstreamAnswer {
  /** Whether a byte of the request may have left. */
  started = false;
  statusCode = 0;
  headers: IncomingHttpHeaders = {};
  readonly answered: Promise<UpstreamAnswer>;
  #resolve!: (answer: UpstreamAnswer) => void;
  #reject!: (error: Error) => void;
  #controller: Dispatcher.DispatchController | null = null;
  #sink: ServerResponse | null = null;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #state: "open" | "ended" | "failed" = "open";
  #idle: NodeJS.Timeout | undefined;
  #idleTimeoutMs = 0;
  #answerBy: NodeJS.Timeout | undefined;

  readonly #onOver: () => void;

  /** `onOver` is called once, when nothing more will come. */
  constructor(onOver: () => void) {
    this.#onOver = onOver;
    this.answered = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Ends the call if it has no answer in that time, a wait for a connection included. */
  answerWithin(ms: number): void {
    // Timers run before sockets are read: an answer that is there already counts.
    this.#answerBy = setTimeout(() => {
      setImmediate(() => this.statusCode > 0 || this.abort(new AnswerTimeout("no answer in time")));
    }, ms);
  }

  /** Ends the call at once, whatever its state. */
  abort(reason: Error): void {
    if (this.#state !== "open") return;
    this.#reject(reason); // undici reports it only once there is a connection
    if (this.#controller) this.#controller.abort(reason);
    else this.#fail();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#state === "failed") controller.abort(new ClientGone("given up before it began"));
    else this.started = true;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
  ): void {
    if (statusCode < 200) return; // 100 and 103 are between the service and us
    clearTimeout(this.#answerBy);
    this.statusCode = statusCode;
    this.headers = headers;
    this.#resolve(this);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#sink) this.#write(this.#sink, chunk);
    else {
      this.#held.push(chunk);
      this.#heldBytes += chunk.length;
      if (this.#heldBytes > HELD_BYTES) controller.pause();
    }
  }

  onResponseEnd(): void {
    if (this.#state !== "open") return;
    this.#over("ended");
    this.#sink?.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#reject(error);
    this.#fail();
  }

  sendTo(res: ServerResponse, idleTimeoutMs: number): void {
    this.#idleTimeoutMs = idleTimeoutMs;
    if (this.#state === "failed") return void res.destroy();
    const [first, ...more] = this.#held;
    this.#held = [];
    if (this.#state === "ended" && more.length === 0) return void res.end(first);
    res.flushHeaders(); // an event stream begins before its first event
    this.#sink = res;
    for (const chunk of first ? [first, ...more] : more) this.#write(res, chunk);
    if (this.#state === "ended") res.end();
    else if (this.#controller?.paused && !res.writableNeedDrain) this.#controller.resume();
  }

  finish(): void {
    const sink = this.#sink;
    this.#sink = null;
    sink?.end();
    this.discard();
  }

  discard(): void {
    this.#held = [];
    if (this.#state === "open") this.abort(new Error("its answer is not wanted"));
  }

  #write(res: ServerResponse, chunk: Buffer): void {
    if (res.write(chunk) || this.#idle || this.#state !== "open") return;
    this.#controller?.pause();
    this.#idle = setTimeout(() => {
      this.abort(new SlowReader("the client does not read"));
    }, this.#idleTimeoutMs).unref();
    res.once("drain", () => {
      clearTimeout(this.#idle);
      this.#idle = undefined;
      if (this.#state === "open") this.#controller?.resume();
    });
  }

  #fail(): void {
    if (this.#state !== "open") return;
    this.#over("failed");
    this.#held = [];
    this.#sink?.destroy(); // half an answer must not be taken for a whole one
  }

  #over(state: "ended" | "failed"): void {
    this.#state = state;
    clearTimeout(this.#answerBy);
    clearTimeout(this.#idle);
    this.#onOver();
  }
}
