import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { AppError, ClockSkew, REFUSAL_HEADER, Unavailable } from "@medvault/contracts";
import { CLOCK_TOLERANCE_S, connectorOf, type Tls, UNTIMELY_HEADER } from "@medvault/service-kit";
import CircuitBreaker from "opossum";
import { type Dispatcher, Pool } from "undici";
import { z } from "zod";
import { type Asked, type Departure, Exchange, type UpstreamAnswer } from "./exchange.client.ts";
import {
  ClientGone,
  codeOf,
  isConnectionFault,
  isTimeout,
  SlowReader,
  upstreamError,
} from "./proxy.errors.ts";
import { RetryBudget } from "./retry-budget.ts";
import { WaitingRoom } from "./waiting-room.ts";

const CONNECT_TIMEOUT_MS = 2_000;
/** A service that refuses connections is usually one that is just starting. */
const RETRY_AFTER_MS = 100;
/** At once, to one service. */
const MAX_IN_FLIGHT = 512;
/** A connection is renewed after this long, so that new replicas get traffic. */
const CLIENT_TTL_MS = 60_000;
const KEEP_ALIVE_MS = 4_000;
/** Timeouts with nothing that worked in between: the service hangs, whatever went before. */
const FAILURES_IN_A_ROW = 3;
/** A service shows its time in whole seconds. */
const SKEW_MS = CLOCK_TOLERANCE_S * 1_000 + 1_000;
/** How long a service may take to say that it works again. */
const PROBE_MS = 1_500;

const BREAKER: CircuitBreaker.Options = {
  timeout: false, // opossum's aborts nothing and counts slow uploads; undici bounds the time
  volumeThreshold: 10, // without it the first failure opens
  errorThresholdPercentage: 50,
  enableSnapshots: false, // each second they sort the latencies of the whole window, for nobody
  rollingPercentilesEnabled: false,
  rollingCountTimeout: 10_000,
  resetTimeout: 2_000,
  // A client that goes away, or sends too much, says nothing about the service.
  errorFilter: (error: unknown) =>
    error instanceof ClientGone || error instanceof SlowReader || error instanceof AppError,
};

export interface UpstreamRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: Readable | Buffer | null;
  client: Departure;
  /** How long the answer may take to begin; of a body that streams, from its end. */
  answerMs: number;
  bodyTimeoutMs: number;
}

export type BreakerState = "closed" | "half_open" | "open";

/** Readiness of a service, as far as it is asked for here. */
const Probed = z.object({
  status: z.enum(["ok", "degraded"]),
  checks: z.record(z.string(), z.string()).optional(),
});
export type Probed = z.infer<typeof Probed>;

/** Carries a 502–504 of the service through the breaker, which counts it, to the caller. */
class FailedAnswer extends Error {
  readonly answer: UpstreamAnswer;
  constructor(answer: UpstreamAnswer) {
    super("the service answered 502, 503 or 504");
    this.answer = answer;
  }
}

/** One service behind the gateway: a bounded pool of connections, and a breaker before it. */
export class Upstream {
  readonly name: string;
  /** Why it said nothing when it was last asked how it is; "" when it answered. */
  silence = "";
  readonly #pool: Pool;
  readonly #breaker: CircuitBreaker<[UpstreamRequest], UpstreamAnswer>;
  readonly #budget = new RetryBudget();
  readonly #waiting = new WaitingRoom();
  #inFlight = 0;
  #skewMs = 0;
  #workedAt = 0;
  #failuresInARow = 0;
  #onRetry: () => void = () => undefined;

  constructor(name: string, url: string, tls: Tls | null = null) {
    this.name = name;
    this.#pool = new Pool(new URL(url).origin, {
      connections: MAX_IN_FLIGHT,
      clientTtl: CLIENT_TTL_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      pipelining: 1,
      connect: connectorOf(tls, CONNECT_TIMEOUT_MS),
      maxHeaderSize: 16 * 1024,
    });
    const send = (request: UpstreamRequest) => this.#send(request);
    this.#breaker = new CircuitBreaker(send, { ...BREAKER, name });
    this.#breaker.on("open", () => this.#waiting.dismiss());
    this.#breaker.on("halfOpen", () => void this.#tryAgain());
  }

  get state(): BreakerState {
    if (this.#breaker.opened) return "open";
    return this.#breaker.halfOpen ? "half_open" : "closed";
  }

  /** Running calls, from their start to the end of their answer's body. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** By how much its clock is ahead of ours, as far as is known. */
  get skewMs(): number {
    return this.#skewMs;
  }

  /** Whether its clock and ours differ by more than what either allows for. */
  get isSkewed(): boolean {
    return Math.abs(this.#skewMs) > SKEW_MS;
  }

  onRetry(listener: () => void): void {
    this.#onRetry = listener;
  }

  /** Calls `listener` at every change of state. */
  onState(listener: (state: BreakerState) => void): void {
    this.#breaker.on("open", () => listener("open"));
    this.#breaker.on("halfOpen", () => listener("half_open"));
    this.#breaker.on("close", () => listener("closed"));
  }

  /**
   * The answer, once its headers are there; the caller must send its body on or discard it. The
   * time of the body is outside the breaker. Throws what undici throws, AnswerTimeout, Unavailable
   * at once while the breaker is open, ClientGone when the client goes away. Where the service has
   * as many calls as it may, it waits in a bounded room; then Unavailable, and nothing was sent.
   */
  async request(request: UpstreamRequest): Promise<UpstreamAnswer> {
    if (this.state !== "closed") throw new Unavailable();
    const waitedMs = this.#inFlight < MAX_IN_FLIGHT ? 0 : await this.#waiting.turn(request);
    const answerMs = request.answerMs - waitedMs;
    try {
      return await this.#breaker.fire(waitedMs > 0 ? { ...request, answerMs } : request);
    } catch (thrown) {
      if (thrown instanceof FailedAnswer) return thrown.answer;
      throw thrown;
    }
  }

  /** A JSON document for the gateway itself. Throws an AppError, at once while it is open. */
  async getJson(...asked: Asked): Promise<{ status: number; body: unknown }> {
    if (this.state !== "closed") throw new Unavailable();
    const sentAt = performance.now();
    try {
      return await this.#ask(...asked);
    } catch (error) {
      if (isTimeout(error)) this.#note(sentAt, false);
      throw upstreamError(error);
    }
  }

  /** What the service says of itself, whatever the breaker says; null when it says nothing. */
  async probe(): Promise<Probed | null> {
    const sentAt = performance.now();
    try {
      const askedAt = Date.now();
      const { status, body, date } = await this.#ask("/readyz", {}, PROBE_MS);
      this.silence = "";
      if (!Number.isNaN(date)) this.#skewMs = date + 500 - (askedAt + Date.now()) / 2;
      const probed = Probed.parse(body);
      // One whose connections are all at work says so too: its callers are to find out.
      if (probed.checks?.postgres !== "down") this.#note(sentAt, true);
      return status === 200 ? probed : null;
    } catch (error) {
      if (isTimeout(error)) this.#note(sentAt, false);
      this.silence = isTimeout(error) ? "timeout" : codeOf(error) || "unreadable";
      return null;
    }
  }

  async close(): Promise<void> {
    this.#breaker.shutdown();
    await this.#pool.destroy();
  }

  async #ask(...[path, own, timeoutMs, method = "GET", sent]: Asked) {
    const signal = AbortSignal.timeout(timeoutMs);
    const headers = { ...own, ...(sent && { "content-type": "application/json" }) };
    const request = { method, path, headers, signal, ...(sent && { body: JSON.stringify(sent) }) };
    const { statusCode, headers: shown, body } = await this.#pool.request(request);
    const text = await body.text();
    if (UNTIMELY_HEADER in shown) throw new ClockSkew();
    const date = Date.parse(String(shown.date));
    return { status: statusCode, body: text ? (JSON.parse(text) as unknown) : null, date };
  }

  /** No caller tries whether it works again, and waits: the service itself is asked. */
  async #tryAgain(): Promise<void> {
    const probed = await this.probe();
    if (probed && probed.checks?.postgres !== "down") this.#breaker.close();
    else this.#breaker.open();
  }

  /** Opens the breaker when several in a row found a service that says nothing. */
  #note(sentAt: number, works: boolean): void {
    if (works) {
      this.#workedAt = performance.now();
      this.#failuresInARow = 0;
    } else if (this.#workedAt < sentAt) {
      // One slow route among others that answer is no service that hangs.
      this.#failuresInARow += 1;
      if (this.#failuresInARow >= FAILURES_IN_A_ROW) this.#breaker.open();
    }
  }

  async #send(request: UpstreamRequest): Promise<UpstreamAnswer> {
    this.#budget.earn();
    const sentAt = performance.now();
    let answer: UpstreamAnswer;
    try {
      answer = await this.#attempts(request);
    } catch (error) {
      if (isTimeout(error)) this.#note(sentAt, false);
      throw error;
    }
    if (hasFailed(answer)) throw new FailedAnswer(answer);
    this.#note(sentAt, true);
    return answer;
  }

  async #attempts(request: UpstreamRequest): Promise<UpstreamAnswer> {
    const answerBy = performance.now() + request.answerMs;
    const first = this.#exchange();
    try {
      return await this.#attempt(first, request, request.answerMs);
    } catch (error) {
      if (!mayRetry(request, first, error) || !this.#budget.take()) throw error;
      this.#onRetry();
      if (!first.started) await delay(RETRY_AFTER_MS);
      return this.#attempt(this.#exchange(), request, Math.max(1, answerBy - performance.now()));
    }
  }

  #exchange(): Exchange {
    this.#inFlight += 1;
    return new Exchange(() => {
      this.#inFlight -= 1;
      if (this.#inFlight < MAX_IN_FLIGHT) this.#waiting.callNext();
    });
  }

  #attempt(exchange: Exchange, request: UpstreamRequest, answerMs: number): Promise<UpstreamAnswer> {
    const { client, method, path, headers, body, bodyTimeoutMs } = request;
    client.onGone = () => exchange.abort(new ClientGone("the client went away"));
    if (client.gone) client.onGone();
    const streams = body !== null && "once" in body;
    if (streams) body.once("error", (error: Error) => exchange.abort(error));
    else exchange.answerWithin(answerMs);
    this.#pool.dispatch(
      {
        method: method as Dispatcher.HttpMethod,
        path,
        headers,
        body,
        headersTimeout: streams ? answerMs : 0, // undici's counts from the end of the body
        bodyTimeout: bodyTimeoutMs,
      },
      exchange,
    );
    return exchange.answered;
  }
}

/** A service that refuses for a reason of its own works, and still reads. */
function hasFailed({ statusCode, headers }: UpstreamAnswer): boolean {
  return statusCode >= 502 && statusCode <= 504 && headers[REFUSAL_HEADER] === undefined;
}

/**
 * Whether a call may be sent once more: any that found no connection, since no byte of it left; and
 * reads whose connection broke before an answer, as a kept-alive one does that the service closes
 * just then. A write that may have arrived is its sender's to repeat, with its idempotency key.
 */
function mayRetry({ client, method, body }: UpstreamRequest, exchange: Exchange, error: unknown): boolean {
  if (client.gone || codeOf(error) === "UND_ERR_CONNECT_TIMEOUT") return false; // already slow
  if (!exchange.started) return isConnectionFault(error);
  return !body && (method === "GET" || method === "HEAD") && isConnectionFault(error);
}
